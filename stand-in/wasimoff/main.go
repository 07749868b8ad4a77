// wasimoff-broker-stand-in takes the place of Wasimoff's broker in labs, where upstream's cannot be had. It is not Wasimoff: it
// has the variables, paths and messages of upstream's broker of January 2026, as far as docs/wasimoff.md says, and a page
// of its own that runs WASI preview 1 commands in browsers.
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"wiab-staging/stand-in/wasimoff/broker"
)

//go:embed page
var page embed.FS

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// variable is an environment variable, or upstream's default.
func variable(name, otherwise string) string {
	if value, ok := os.LookupEnv("WASIMOFF_" + name); ok {
		return value
	}
	return otherwise
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	storage, err := broker.OpenStorage(variable("FILESTORAGE", ":memory:"))
	if err != nil {
		return err
	}
	static, err := fs.Sub(page, "page")
	if err != nil {
		return err
	}
	if folder := variable("STATIC_FILES", ""); folder != "" {
		static = os.DirFS(folder)
	}
	var origins []string
	if list := variable("ALLOWED_ORIGINS", ""); list != "" {
		origins = strings.Split(list, ",")
	}
	handler := broker.New(broker.Settings{
		Storage: storage, Static: static, Origins: origins, Metrics: variable("METRICS", "false") == "true",
	})
	server := &http.Server{Addr: variable("HTTP_LISTEN", ":4080"), Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		// Sockets do not end by themselves; providers notice and come back.
		server.Close()
	}()
	certificate, key := variable("HTTP_CERT", ""), variable("HTTP_KEY", "")
	if (certificate == "") != (key == "") {
		return errors.New("WASIMOFF_HTTP_CERT and WASIMOFF_HTTP_KEY: give both or neither")
	}
	fmt.Println("a stand-in for Wasimoff's broker listens on", server.Addr)
	if certificate != "" {
		err = server.ListenAndServeTLS(certificate, key)
	} else {
		err = server.ListenAndServe()
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
