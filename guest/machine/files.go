package machine

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// File is what a file of a service shall be.
type File struct {
	Path, Text string
	// Mode is 0644 if it is zero.
	Mode fs.FileMode
	// Owner is USER:GROUP; root's if it is empty.
	Owner string
	// Restarts is the service that has to be restarted when the file changes; none if it is empty.
	Restarts string
}

// Has is whether a file has just that text.
func (m *Machine) Has(file File) bool {
	text, err := os.ReadFile(m.Path(file.Path))
	return err == nil && string(text) == file.Text
}

// Exists is whether there is anything at a path.
func (m *Machine) Exists(path string) bool {
	_, err := os.Lstat(m.Path(path))
	return err == nil
}

// Remove takes away whatever is at paths, which may be patterns.
func (m *Machine) Remove(patterns ...string) error {
	for _, pattern := range patterns {
		found, err := filepath.Glob(m.Path(pattern))
		if err != nil {
			return err
		}
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// Keep gives a file its text unless it has it, and notes the restart that it takes: [Machine.Run] does it, in this run
// or, if this one is killed before, in the next.
func (m *Machine) Keep(ctx context.Context, file File) error {
	if m.Has(file) {
		return nil
	}
	if file.Restarts != "" {
		if err := m.NoteRestart(file.Restarts); err != nil {
			return err
		}
		if strings.HasPrefix(file.Path, "/etc/systemd/") {
			if err := m.touch(unread(file.Restarts)); err != nil {
				return err
			}
		}
	}
	return m.Put(ctx, file)
}

// Put gives a file its text, whole or not at all.
func (m *Machine) Put(ctx context.Context, file File) error {
	path := m.Path(file.Path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	mode := file.Mode
	if mode == 0 {
		mode = 0o644
	}
	if err := write(path+".new", file.Text, mode); err != nil {
		return err
	}
	if file.Owner != "" {
		if err := m.Do(ctx, "chown", file.Owner, path+".new"); err != nil {
			return err
		}
	}
	return os.Rename(path+".new", path)
}

func write(path, text string, mode fs.FileMode) error {
	// What a killed run has left may have another mode.
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		return err
	}
	if err := file.Chmod(mode); err != nil {
		return err
	}
	return file.Sync()
}

func (m *Machine) touch(path string) error {
	if err := os.MkdirAll(filepath.Dir(m.Path(path)), 0o755); err != nil {
		return err
	}
	return os.WriteFile(m.Path(path), nil, 0o644)
}
