"""The job of clients/scripts.py with requests, in one session."""
import hashlib
import json
import sys

import requests


def pieces(path):
    with open(path, "rb") as file:
        while data := file.read(50_000):
            yield data


job = json.load(sys.stdin)
with requests.Session() as session:
    session.trust_env = False
    session.verify = job["ca"]
    session.proxies = {"http": job["proxy"], "https": job["proxy"]} if job["proxy"] else {}
    for step in job["steps"]:
        data = None
        if step["body"]:
            data = pieces(step["body"]) if step["chunked"] else open(step["body"], "rb").read()
        with session.request(step["method"], step["url"], data=data, timeout=60) as answer:
            print(json.dumps([answer.status_code, hashlib.sha256(answer.content).hexdigest(), len(answer.content)]))
