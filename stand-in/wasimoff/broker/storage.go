package broker

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// errUnsupported refuses what is neither a module nor a ZIP archive.
var errUnsupported = errors.New("only application/wasm and application/zip are taken")

// Storage keeps uploaded files by the hash of their content, and the names that they were given.
type Storage struct {
	folder string
	mutex  sync.RWMutex
	files  map[string][]byte
	names  map[string]string
}

const namesFile = "names.json"

// OpenStorage opens ":memory:", "dirfs://FOLDER" or a folder; of upstream's kinds "boltdb://" is not there.
func OpenStorage(place string) (*Storage, error) {
	storage := &Storage{files: map[string][]byte{}, names: map[string]string{}}
	if place == ":memory:" {
		return storage, nil
	}
	if strings.HasPrefix(place, "boltdb://") {
		return nil, errors.New("WASIMOFF_FILESTORAGE: the stand-in has no boltdb; give dirfs://FOLDER")
	}
	storage.folder = strings.TrimPrefix(place, "dirfs://")
	if err := os.MkdirAll(storage.folder, 0o700); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(storage.folder, namesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return storage, nil
	}
	if err != nil {
		return nil, err
	}
	return storage, json.Unmarshal(text, &storage.names)
}

// mediaOf is the type of a content, by its first bytes.
func mediaOf(content []byte) (string, error) {
	switch {
	case bytes.HasPrefix(content, []byte("\x00asm")):
		return "application/wasm", nil
	case bytes.HasPrefix(content, []byte("PK\x03\x04")), bytes.HasPrefix(content, []byte("PK\x05\x06")):
		return "application/zip", nil
	}
	return "", errUnsupported
}

// put stores a content. @returns its reference.
func (storage *Storage) put(name string, content []byte) (string, error) {
	if _, err := mediaOf(content); err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	ref := "sha256:" + hex.EncodeToString(sum[:])
	storage.mutex.Lock()
	defer storage.mutex.Unlock()
	if storage.folder == "" {
		storage.files[ref] = content
	} else if err := replace(storage.path(ref), content); err != nil {
		return "", err
	}
	if name == "" || storage.names[name] == ref {
		return ref, nil
	}
	storage.names[name] = ref
	if storage.folder == "" {
		return ref, nil
	}
	text, err := json.Marshal(storage.names)
	if err != nil {
		return "", err
	}
	return ref, replace(filepath.Join(storage.folder, namesFile), text)
}

// resolve finds the reference of a stored file by its name, or by its reference.
func (storage *Storage) resolve(name string) (string, bool) {
	storage.mutex.RLock()
	defer storage.mutex.RUnlock()
	ref := name
	if known, ok := storage.names[name]; ok {
		ref = known
	}
	if storage.folder == "" {
		_, ok := storage.files[ref]
		return ref, ok
	}
	if !isReference(ref) {
		return "", false
	}
	_, err := os.Stat(storage.path(ref))
	return ref, err == nil
}

// get reads a stored file.
func (storage *Storage) get(name string) ([]byte, error) {
	ref, ok := storage.resolve(name)
	if !ok {
		return nil, fmt.Errorf("there is no file %q: upload it first", name)
	}
	if storage.folder != "" {
		return os.ReadFile(storage.path(ref))
	}
	storage.mutex.RLock()
	defer storage.mutex.RUnlock()
	return storage.files[ref], nil
}

// isReference keeps whatever else somebody asks for from becoming a path.
func isReference(ref string) bool {
	digits, ok := strings.CutPrefix(ref, "sha256:")
	if !ok || len(digits) != 64 {
		return false
	}
	_, err := hex.DecodeString(digits)
	return err == nil
}

func (storage *Storage) path(ref string) string {
	return filepath.Join(storage.folder, strings.TrimPrefix(ref, "sha256:"))
}

// replace writes a file whole or not at all, and it is there after a power cut.
func replace(path string, content []byte) error {
	made, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = made.Write(content)
	err = errors.Join(err, made.Sync(), made.Close())
	if err == nil {
		err = os.Rename(made.Name(), path)
	}
	if err != nil {
		os.Remove(made.Name())
	}
	return err
}
