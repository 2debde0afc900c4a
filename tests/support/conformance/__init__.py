"""The conformance tests of AWS SDKs: each SDK's own program runs against a mock that holds the real addresses.

An SDK consists of:

* a folder of `tests/conformance` with its program and lock file
* a module beside this one that exports an `Sdk` (`sdk` describes its attributes)
* one line in `SDKS` (`sdks`)

Its program is called as `PROGRAM CASE [ARGUMENT]` and prints one JSON object. Cases and objects:

* `imds-credentials`: `{"AccessKeyId", "SecretAccessKey", "Token"}`, of the default chain or the IMDS provider
* `region`: `{"Region"}`
* `metadata PATH`, `metadata-async PATH`: `{"Value"}`; PATH starts with `/latest/`
* `container-credentials`: as `imds-credentials`, with the variables of ECS or EKS in the environment

If it fails, it prints `{"error", "message"}` and exits with 1. `error` is a class or code that does not vary.
"""
