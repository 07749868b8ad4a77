package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrAtWork is that another run holds a lock.
var ErrAtWork = errors.New("another run is still at work")

// Lock waits for an earlier run, which a killed engine leaves at work, and keeps later ones waiting until the release, or
// the end of this process.
func (m *Machine) Lock(path string, patience time.Duration) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(m.Path(path)), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(m.Path(path), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(patience)
	for told := false; ; told = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { file.Close() }, nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			file.Close()
			return nil, err
		case time.Now().After(deadline):
			file.Close()
			return nil, fmt.Errorf("%w: it has held %s for %.0f s, look what it does, with fuser %[2]s", ErrAtWork, path, patience.Seconds())
		case !told:
			m.Say("another run is still at work; waiting for it")
		}
		time.Sleep(m.Pause)
	}
}
