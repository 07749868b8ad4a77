package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"wiab-staging/guest/service"
)

func TestRun(t *testing.T) {
	directory := t.TempDir()
	ctx := context.Background()
	if code := run(ctx, "health", "rabbitmq", directory); code != service.Misused {
		t.Errorf("without settings: %d", code)
	}
	// Nothing listens on port 1.
	settings := `{"node": "a", "nodes": {"a": "127.0.0.1"}, "name": "wire", "password": "secret", "amqp": 1, "management": 1}`
	os.Mkdir(filepath.Join(directory, "rabbitmq"), 0o700)
	if err := os.WriteFile(filepath.Join(directory, "rabbitmq/settings.json"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	for verb, wanted := range map[string]int{"health": service.Failed, "serves": service.Failed, "spare": service.Failed, "turn": service.Done, "dance": service.Misused} {
		if code := run(ctx, verb, "rabbitmq", directory); code != wanted {
			t.Errorf("%s: %d", verb, code)
		}
	}
	if code := run(ctx, "health", "postgresql", directory); code != service.Misused {
		t.Errorf("an unknown service: %d", code)
	}
}
