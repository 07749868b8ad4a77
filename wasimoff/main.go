// wasimoff-provider is a provider of Wasimoff without anybody in front of it: a headless Chromium that has the broker's page open.
// It takes the variables of the deployment guide's image, WASIMOFF_BROKER and WASIMOFF_WORKERS, and
// WASIMOFF_TOKEN_FILE for a broker behind a front that asks for a token.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"wiab-staging/wasimoff/provider"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var one provider.Provider
	flag.StringVar(&one.Chromium, "chromium", "/usr/lib/chromium/chromium", "path of Chromium")
	flag.StringVar(&one.Profile, "profile", "/profile", "folder for what Chromium writes")
	flag.StringVar(&one.Listen, "listen", ":4090", "where /alive, /ready and /metrics are served")
	flag.DurationVar(&one.Drain, "drain", 2*time.Minute, "how long jobs may take to end when it is ended")
	flag.Parse()
	if err := one.ReadVariables(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	http.HandleFunc("/alive", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/ready", func(answer http.ResponseWriter, _ *http.Request) {
		if !one.Connected() {
			http.Error(answer, "the page has no connection to the broker", http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/metrics", func(answer http.ResponseWriter, _ *http.Request) {
		connected := map[bool]int{true: 1}[one.Connected()]
		fmt.Fprintf(answer, "wasimoff_provider_connected %d\nwasimoff_provider_restarts_total %d\n", connected, one.Restarts())
	})
	server := &http.Server{Addr: one.Listen, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() {
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
			stop()
		}
	}()
	err := one.Run(ctx)
	select {
	case err = <-failed:
	default:
	}
	return errors.Join(err, server.Close())
}
