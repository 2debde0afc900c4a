// AWS SDK for JavaScript v2: the credentials of its instance metadata provider, and a leaf through its MetadataService.
const AWS = require("aws-sdk");

const credentials = new AWS.EC2MetadataCredentials();
const service = new AWS.MetadataService();

function done(failed) {
  if (failed) throw failed;
}

credentials.get((failed) => {
  done(failed);
  service.fetchMetadataToken((failed, token) => {
    done(failed);
    const headers = { "x-aws-ec2-metadata-token": token };
    service.request("/latest/meta-data/placement/region", { headers }, (failed, region) => {
      done(failed);
      console.log(
        JSON.stringify({
          access_key_id: credentials.accessKeyId,
          secret_access_key: credentials.secretAccessKey,
          session_token: credentials.sessionToken,
          expiration: credentials.expireTime.toISOString(),
          region,
        }),
      );
    });
  });
});
