// MetadataService of the AWS SDK for JavaScript v3: the paths given as arguments, with a token each; "v1" first: without.
const { MetadataService } = require("@aws-sdk/ec2-metadata-service");

async function main() {
  let paths = process.argv.slice(2);
  const disableFetchToken = paths[0] === "v1";
  if (disableFetchToken) paths = paths.slice(1);
  const service = new MetadataService({ disableFetchToken, retries: 0, httpOptions: { timeout: 5000 } });
  const seen = {};
  for (const path of paths) {
    try {
      seen[path] = await service.request(path, {});
    } catch (error) {
      seen[path] = error.$metadata?.httpStatusCode ?? String(error);
    }
  }
  // The service does not read the body of an error, so its connection would keep the program running.
  process.stdout.write(JSON.stringify(seen), () => process.exit(0));
}

main();
