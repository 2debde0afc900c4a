// AWS SDK for JavaScript v3, unconfigured: credentials, and whether a client with region R is in the instance's region.
const { fromInstanceMetadata } = require("@aws-sdk/credential-providers");
const { S3Client } = require("@aws-sdk/client-s3");

async function main() {
  const credentials = await fromInstanceMetadata()();
  const modes = {};
  for (const region of process.argv.slice(2)) {
    modes[region] = await new S3Client({ region, defaultsMode: "auto" }).config.defaultsMode();
  }
  console.log(
    JSON.stringify({
      access_key_id: credentials.accessKeyId,
      secret_access_key: credentials.secretAccessKey,
      session_token: credentials.sessionToken,
      expiration: credentials.expiration.toISOString(),
      modes,
    }),
  );
}

main();
