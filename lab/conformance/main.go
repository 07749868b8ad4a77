// conformance stands in for Wire's services in the lab: it takes the settings and secrets that their charts get,
// uses every dependency that they name, and is ready only when all of that works. It is not Wire.
// docs/lab.md lists the modes in which it runs.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// modes are the words of the command line. Each takes the arguments after its own name.
var modes = map[string]func(ctx context.Context, arguments []string) error{
	"serve":     serve,
	"migrate":   migrate,
	"write":     write,
	"smtp":      serveSMTP,
	"aws":       serveAWS,
	"reaper":    reap,
	"endpoints": followPrimary,
	"ingress":   routeIngress,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if len(os.Args) < 2 || modes[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: conformance MODE …, with one of the modes that docs/lab.md lists")
		os.Exit(2)
	}
	if err := modes[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "conformance %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
