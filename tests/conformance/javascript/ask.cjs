// AWS SDK for JavaScript v3: what its default chain, its credential providers and its metadata client read.
//
// `node ask.cjs chain|providers CASE [ARG]` prints one JSON object; a failure is {"error", "message"} and exit code 1.
const { fromHttp, fromInstanceMetadata, fromNodeProviderChain } = require("@aws-sdk/credential-providers");
const { MetadataService } = require("@aws-sdk/ec2-metadata-service");

async function credentials(provider) {
  const found = await provider();
  return {
    AccessKeyId: found.accessKeyId,
    SecretAccessKey: found.secretAccessKey,
    Token: found.sessionToken,
    Expiration: found.expiration.toISOString(),
  };
}

// Unlike the credential providers, the client has no variable for the mode of the endpoint.
async function metadata(path) {
  const ipv6 = process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE === "IPv6";
  const service = new MetadataService(ipv6 ? { endpoint: "http://[fd00:ec2::254]" } : {});
  return { Value: await service.request(path, {}) };
}

const CASES = {
  "chain imds-credentials": () => credentials(fromNodeProviderChain()),
  "chain container-credentials": () => credentials(fromNodeProviderChain()),
  "chain metadata": metadata,
  "providers imds-credentials": () => credentials(fromInstanceMetadata()),
  "providers container-credentials": () => credentials(fromHttp()),
};

async function main([way, name, argument]) {
  const ask = CASES[`${way} ${name}`];
  if (ask === undefined) {
    throw new RangeError(`unknown case ${way} ${name}`);
  }
  return ask(argument);
}

// The process ends although `MetadataService` leaves a socket open after an error response.
function end(printed, code) {
  process.stdout.write(`${JSON.stringify(printed)}\n`, () => process.exit(code));
}

main(process.argv.slice(2)).then(
  (found) => end(found, 0),
  (error) => end({ error: error.name, message: String(error.message) }, 1),
);
