// The job of clients/scripts.py with net/http.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
)

type step struct {
	Method, URL, Body string
	Chunked           bool
}

type job struct {
	Proxy, CA string
	Steps     []step
}

func transport(asked job) *http.Transport {
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(asked.CA)
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		log.Fatalf("no test authority in %s: %v", asked.CA, err)
	}
	made := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	if asked.Proxy != "" {
		proxy, err := url.Parse(strings.Replace(asked.Proxy, "socks5h:", "socks5:", 1))
		if err != nil {
			log.Fatal(err)
		}
		made.Proxy = http.ProxyURL(proxy)
	}
	return made
}

// play does one step and prints status, SHA-256 and length of what came.
func play(client *http.Client, each step) error {
	var body io.Reader
	if each.Body != "" {
		data, err := os.ReadFile(each.Body)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
		if each.Chunked {
			body = io.MultiReader(body) // of unknown length
		}
	}
	request, err := http.NewRequest(each.Method, each.URL, body)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	fmt.Printf("[%d, \"%x\", %d]\n", answer.StatusCode, sha256.Sum256(data), len(data))
	return nil
}

func main() {
	var asked job
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		log.Fatal(err)
	}
	way := transport(asked)
	for _, each := range asked.Steps {
		if err := play(&http.Client{Transport: way}, each); err != nil {
			log.Fatalf("%s %s: %v", each.Method, each.URL, err)
		}
	}
	way.CloseIdleConnections()
}
