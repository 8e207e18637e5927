// A forward proxy of Go's net/http, for bench/proxy.py: Debian's golang-github-elazarl-goproxy-dev as it comes.
package main

import (
	"io"
	"log"
	"net/http"
	"os"

	"github.com/elazarl/goproxy"
)

func main() {
	handler := goproxy.NewProxyHttpServer()
	handler.Logger = log.New(io.Discard, "", 0)
	// Two idle connections to an origin, Go's default, would make it dial for most requests.
	handler.Tr = &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	log.Fatal(http.ListenAndServe(os.Args[1], handler))
}
