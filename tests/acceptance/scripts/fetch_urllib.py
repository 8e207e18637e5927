"""The job of clients/scripts.py with urllib."""
import hashlib
import json
import ssl
import sys
import urllib.request


def pieces(path):
    with open(path, "rb") as file:
        while data := file.read(50_000):
            yield data


job = json.load(sys.stdin)
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({"http": job["proxy"], "https": job["proxy"]} if job["proxy"] else {}),
    urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=job["ca"])))
for step in job["steps"]:
    data = None
    if step["body"]:
        data = pieces(step["body"]) if step["chunked"] else open(step["body"], "rb").read()
    asked = urllib.request.Request(step["url"], data=data, method=step["method"])
    with opener.open(asked, timeout=60) as answer:
        body = answer.read()
    print(json.dumps([answer.status, hashlib.sha256(body).hexdigest(), len(body)]))
