# frozen_string_literal: true

# AWS SDK for Ruby: what its default chain and its metadata client read.
#
# `ruby ask.rb CASE [ARG]` prints one JSON object; a failure is {"error", "message"} and exit code 1.
require "json"
require "aws-sdk-core"

# The credentials of a client that has only a region.
def credentials
  provider = Aws::STS::Client.new(region: "us-east-1").config.credentials
  # Without a provider, the client's first request fails with this error.
  raise Aws::Errors::MissingCredentialsError if provider.nil?

  found = provider.credentials
  {
    "AccessKeyId" => found.access_key_id,
    "SecretAccessKey" => found.secret_access_key,
    "Token" => found.session_token,
    "Expiration" => provider.expiration.utc.iso8601
  }
end

# An error named after what the client returned instead of a value.
class Nothing < StandardError
  def self.name = "nil"
end

# Unlike the credential providers, the client has no variable for the mode of the endpoint.
def metadata(path)
  mode = ENV.fetch("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv4")
  value = Aws::EC2Metadata.new(endpoint_mode: mode).get(path)
  raise Nothing, "nil instead of a value, and no exception" if value.nil?

  { "Value" => value }
end

CASES = {
  "imds-credentials" => ->(_) { credentials },
  "container-credentials" => ->(_) { credentials },
  "metadata" => ->(path) { metadata(path) }
}.freeze

begin
  puts JSON.generate(CASES.fetch(ARGV[0]).call(ARGV[1]))
rescue StandardError => e
  puts JSON.generate({ "error" => e.class.name, "message" => e.message })
  exit 1
end
