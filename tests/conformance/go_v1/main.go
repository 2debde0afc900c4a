// The AWS SDK for Go v1: a session's default chain, and ec2metadata.EC2Metadata.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/ec2metadata"
	"github.com/aws/aws-sdk-go/aws/session"
)

func main() {
	answer, err := run(os.Args[1], os.Args[2:])
	if err != nil {
		answer = map[string]string{"error": code(err), "message": err.Error()}
	}
	_ = json.NewEncoder(os.Stdout).Encode(answer)
	if err != nil {
		os.Exit(1)
	}
}

func run(kind string, arguments []string) (map[string]string, error) {
	loaded, err := session.NewSession()
	if err != nil {
		return nil, err
	}
	client := ec2metadata.New(loaded)
	switch kind {
	case "imds-credentials", "container-credentials":
		found, err := loaded.Config.Credentials.Get()
		return map[string]string{
			"AccessKeyId":     found.AccessKeyID,
			"SecretAccessKey": found.SecretAccessKey,
			"Token":           found.SessionToken,
		}, err
	case "region":
		region, err := client.Region()
		return map[string]string{"Region": region}, err
	case "metadata":
		value, err := client.GetMetadata(strings.TrimPrefix(arguments[0], "/latest/meta-data/"))
		return map[string]string{"Value": value}, err
	}
	return nil, fmt.Errorf("unknown case %s", kind)
}

func code(err error) string {
	if coded, ok := err.(awserr.Error); ok {
		return coded.Code()
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", err), "*")
}
