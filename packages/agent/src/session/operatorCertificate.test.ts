import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { readOperatorCertificate } from "./operatorCertificate.ts";
import { certify } from "./operatorFixture.ts";

const skip = spawnSync("openssl", ["version"]).error !== undefined && process.env["CI"] === undefined ? "needs openssl" : false;

test("the operator's name is the first host name or address among the alternative names", { skip }, async () => {
  const cases = [
    ["DNS:operator.mirrord.svc,IP:10.0.0.1", "operator.mirrord.svc"],
    ["IP:10.0.0.1,DNS:operator", "10.0.0.1"],
    ["IP:fd00::1", "FD00:0:0:0:0:0:0:1"],
    ["DNS:*.mirrord.svc,DNS:operator.mirrord.svc", "operator.mirrord.svc"],
    ["URI:https://a/b,email:a@b.example,DNS:operator", "operator"],
  ] as const;
  for (const [names, name] of cases) {
    const { cert } = await certify(names);
    const identity = readOperatorCertificate(cert);
    assert.equal(identity.name, name);
    assert.equal(`${identity.certificate}\n`, cert);
  }
});

test("only the first block is read, and text before it is passed over", { skip }, async () => {
  const [first, second] = [await certify("DNS:first"), await certify("DNS:second")];
  const identity = readOperatorCertificate(`the operator's\n${first.cert}${second.cert}`);
  assert.equal(identity.name, "first");
  assert.equal(`${identity.certificate}\n`, first.cert);
  assert.throws(() => readOperatorCertificate(first.key + first.cert), /does not begin with a certificate/);
});

test("a certificate without a name to ask for is refused", { skip }, async () => {
  for (const names of ["DNS:*.example", "URI:https://a/b", "email:a@b.example"]) {
    const { cert } = await certify(names);
    assert.throws(() => readOperatorCertificate(cert), /name of a host/);
  }
  const { cert } = await certify("");
  assert.throws(() => readOperatorCertificate(cert), /has 0 extensions with alternative names/);
});

test("what is no certificate is refused without being quoted", () => {
  const secret = "c2VjcmV0IHRleHQ=";
  const inBlock = (label: string): string => `-----BEGIN ${label}-----\n${secret}\n-----END ${label}-----\n`;
  for (const pem of ["", secret, "-----BEGIN CERTIFICATE-----", inBlock("PRIVATE KEY"), inBlock("CERTIFICATE")]) {
    assert.throws(
      () => readOperatorCertificate(pem),
      (error: Error) => !error.message.includes(secret) && /certificate/.test(error.message),
    );
  }
});
