package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wiab-staging/guest/machine"
	"wiab-staging/guest/rabbitmq"
	"wiab-staging/guest/service"
)

// on runs a verb on a machine below a folder that has no programs, and gives exit code, output and complaints.
func on(root, verb, name, input string) (int, string, string) {
	var out, complaints strings.Builder
	here := machine.Here(&out)
	here.Root = root
	here.Execute = func(_ context.Context, _, name string, _ ...string) (string, error) {
		return "", errors.New("there is no " + name)
	}
	code := run(context.Background(), verb, name, here, strings.NewReader(input), &complaints)
	return code, out.String(), complaints.String()
}

func TestMisused(t *testing.T) {
	for _, test := range []struct{ verb, name, input, complaint string }{
		{"health", "rabbitmq", "", "no such file"},
		{"settle", "rabbitmq", "{}", "no such file"},
		{"dance", "rabbitmq", "", "there is no verb dance"},
		{"health", "postgresql", "", "there is no service postgresql"},
		{"apply", "rabbitmq", `{"secrets": "secret-word"}`, "no specification of RabbitMQ"},
	} {
		code, out, complaint := on(t.TempDir(), test.verb, test.name, test.input)
		if code != service.Misused || out != "" || !strings.Contains(complaint, test.complaint) || strings.Contains(complaint, "secret-word") {
			t.Errorf("%v: %d %q %q", test, code, out, complaint)
		}
	}
}

// Nothing listens on port 1.
func TestAnswers(t *testing.T) {
	root := t.TempDir()
	text, _ := json.Marshal(rabbitmq.Specification{
		Settings: rabbitmq.Settings{
			Self: "a", Nodes: []rabbitmq.Node{{Name: "a", Address: "127.0.0.1"}}, Version: "3.10.8-1", User: "wire", AMQP: 1, Management: 1,
			ClusterPorts: []string{"1"}, Configuration: "c", Environment: "e", Inetrc: "i", Hosts: "h", Unit: "u", EpmdUnit: "u",
		},
		Secrets: rabbitmq.Secrets{Password: "secret-word", Cookie: "secret-word", Definitions: "{}"},
	})
	path := filepath.Join(root, rabbitmq.Kept)
	os.MkdirAll(filepath.Dir(path), 0o755)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for verb, complaint := range map[string]string{
		"health":  "error: the broker on a does not answer at 127.0.0.1:1",
		"settle":  "error: gave up after 0 s waiting for the broker on a",
		"plan":    "error: there is no dpkg-query",
		"apply":   "error: there is no dpkg-query",
		"restore": "error: this is no backup of RabbitMQ",
		"backup":  "error: there is no rabbitmqctl",
	} {
		input := map[string]string{"apply": string(text), "settle": `{"secrets": {"definitions": "{}"}}`, "restore": "{}"}[verb]
		code, out, complaints := on(root, verb, "rabbitmq", input)
		if code != service.Failed || out != "" || !strings.HasPrefix(complaints, complaint) || strings.Contains(complaints, "secret-word") {
			t.Errorf("%s: %d %q %q", verb, code, out, complaints)
		}
	}
}
