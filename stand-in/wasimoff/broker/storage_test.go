package broker

import (
	"bytes"
	"errors"
	"testing"
)

var module = []byte("\x00asm\x01\x00\x00\x00")

func TestFilesAreThereAfterARestart(t *testing.T) {
	place := "dirfs://" + t.TempDir()
	storage, err := OpenStorage(place)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := storage.put("a.wasm", module)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenStorage(place)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.wasm", ref} {
		if content, err := again.get(name); err != nil || !bytes.Equal(content, module) {
			t.Fatal(name, err)
		}
	}
}

func TestOnlyModulesAndArchivesAreTakenAndOnlyThoseAreGiven(t *testing.T) {
	for _, place := range []string{":memory:", t.TempDir()} {
		storage, err := OpenStorage(place)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := storage.put("text", []byte("text")); !errors.Is(err, errUnsupported) {
			t.Fatal(err)
		}
		for _, name := range []string{"../etc/passwd", namesFile, "sha256:..", ""} {
			if _, err := storage.get(name); err == nil {
				t.Fatal("given:", name)
			}
		}
	}
}
