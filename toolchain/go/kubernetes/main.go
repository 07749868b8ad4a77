// Command pulumi-resource-kubernetes is the Pulumi plugin "kubernetes". The module that has all its code
// also has a main, which however embeds two files that only the release process makes. This main embeds
// the files that those are made from; they lie in that module's folder, and the build copies them here.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

var (
	//go:embed schema.json
	schema []byte

	//go:embed terraform-mapping.json
	terraformMapping []byte
)

func main() { provider.Serve("kubernetes", version.Version, schema, terraformMapping) }
