"use strict";

// What the page was made of, as the browser sees it.
function parts() {
    const picture = document.getElementById("picture");
    const styled = getComputedStyle(document.getElementById("styled"));
    return { margin: styled.marginLeft, width: picture.naturalWidth, height: picture.naturalHeight };
}

// What came is sent back: the origin says its SHA-256, since a page over http has no crypto.subtle.
async function send(body) {
    const answer = await fetch("/upload", { method: "PUT", body });
    return answer.text();
}

async function digests(paths) {
    const all = {};
    for (const path of paths) {
        const answer = await fetch(path);
        all[path] = await send(await answer.arrayBuffer());
    }
    return all;
}

// Many at once, as a page does.
async function parallel(path, count) {
    const bodies = await Promise.all(Array.from({ length: count }, () => fetch(path).then((got) => got.arrayBuffer())));
    return new Set(await Promise.all(bodies.map(send))).size;
}

function next(socket) {
    return new Promise((resolve, reject) => {
        socket.onmessage = (event) => resolve(event.data);
        socket.onclose = (event) => reject(new Error(`closed: ${event.code}`));
    });
}

// Text and binary messages of all sizes go to the echo and come back; then it is closed in order.
async function echo() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/echo`);
    socket.binaryType = "arraybuffer";
    await new Promise((resolve, reject) => {
        socket.onopen = resolve;
        socket.onerror = () => reject(new Error("the WebSocket was not opened"));
    });
    const said = [];
    for (const text of ["", "hello", "\u00e4\u20ac".repeat(50000)]) {
        const back = next(socket);
        socket.send(text);
        said.push(await back === text);
    }
    const large = await (await fetch("/large")).arrayBuffer();
    const back = next(socket);
    socket.send(large);
    said.push(await send(await back));
    const closed = new Promise((resolve) => { socket.onclose = (event) => resolve([event.code, event.wasClean]); });
    socket.close(1000);
    said.push(await closed);
    return said;
}
