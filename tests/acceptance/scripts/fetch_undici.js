// The job of clients/scripts.py with undici's fetch. SOCKS5 is a connector of ours below it: undici has none.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const net = require("node:net");
const { Agent, ProxyAgent, buildConnector, fetch } = require("undici");

// Reads exactly count bytes from a socket that is not flowing.
function read(socket, count) {
    return new Promise((resolve, reject) => {
        const take = () => {
            const data = socket.read(count);
            if (data === null) return;
            for (const name of ["readable", "error", "end"]) socket.removeAllListeners(name);
            resolve(data);
        };
        socket.on("readable", take);
        socket.once("error", reject);
        socket.once("end", () => reject(new Error("the proxy ended the connection")));
        take();
    });
}

// RFC 1928: no authentication, CONNECT to a name.
async function throughSocks(proxy, host, port) {
    const socket = net.connect(Number(proxy.port), proxy.hostname);
    socket.write(Buffer.from([5, 1, 0]));
    if (!(await read(socket, 2)).equals(Buffer.from([5, 0]))) throw new Error("no method in common");
    const name = Buffer.from(host);
    socket.write(Buffer.concat([Buffer.from([5, 1, 0, 3, name.length]), name, Buffer.from([port >> 8, port & 255])]));
    const answer = await read(socket, 4);
    if (answer[1] !== 0) throw new Error(`SOCKS reply ${answer[1]}`);
    const rest = { 1: 4, 4: 16 }[answer[3]] ?? (await read(socket, 1))[0];
    await read(socket, rest + 2);
    return socket;
}

function socksAgent(proxy) {
    const secure = buildConnector({});
    return new Agent({
        connections: 1,
        connect(options, done) {
            const port = Number(options.port) || (options.protocol === "https:" ? 443 : 80);
            throughSocks(proxy, options.hostname, port).then((socket) => {
                if (options.protocol !== "https:") return done(null, socket);
                const servername = options.servername || options.hostname;
                return secure({ ...options, servername, httpSocket: socket }, done);
            }, done);
        },
    });
}

async function main() {
    const job = JSON.parse(fs.readFileSync(0, "utf8"));
    let dispatcher = new Agent();
    if (job.proxy.startsWith("socks")) dispatcher = socksAgent(new URL(job.proxy.replace(/^socks5h/, "http")));
    else if (job.proxy) dispatcher = new ProxyAgent({ uri: job.proxy, connections: 1 });
    for (const step of job.steps) {
        const asked = { method: step.method, dispatcher };
        if (step.body) {
            asked.body = step.chunked ? fs.createReadStream(step.body) : fs.readFileSync(step.body);
            asked.duplex = "half";
        }
        const answer = await fetch(step.url, asked);
        const body = Buffer.from(await answer.arrayBuffer());
        const digest = crypto.createHash("sha256").update(body).digest("hex");
        console.log(JSON.stringify([answer.status, digest, body.length]));
    }
    await dispatcher.close();
}

main().catch((failure) => {
    console.error(failure);
    process.exitCode = 1;
});
