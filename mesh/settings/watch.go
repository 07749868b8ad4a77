package settings

import (
	"context"
	"log"
	"os"
	"time"
)

// Watch calls changed whenever one of the files is another than before, which it looks at every second. A change that is refused is
// logged, and tried again when the files change the next time.
func Watch(ctx context.Context, files func() []string, changed func() error) {
	last := stamps(files())
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := stamps(files())
		if now == last {
			continue
		}
		last = now
		if err := changed(); err != nil {
			log.Printf("what has changed is not taken: %v", err)
		}
	}
}

func stamps(files []string) (result string) {
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			result += info.ModTime().String() + " " + file + "\n"
		}
	}
	return result
}
