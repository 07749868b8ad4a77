// conformance is what runs in the lab in place of Wire and of what Wire's charts bring along. It is not Wire.
// docs/lab.md lists the modes in which it runs.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"wiab-staging/stand-in/program/ingress"
	"wiab-staging/stand-in/program/migrate"
	"wiab-staging/stand-in/program/server"
	"wiab-staging/stand-in/program/standins"
	"wiab-staging/stand-in/program/writer"
)

// modes are the words of the command line. Each takes the arguments after its own name.
var modes = map[string]func(ctx context.Context, arguments []string) error{
	"serve":     server.Run,
	"migrate":   migrate.Run,
	"write":     writer.Run,
	"smtp":      standins.Mail,
	"aws":       standins.AWS,
	"reaper":    standins.Reap,
	"endpoints": standins.FollowPrimary,
	"ingress":   ingress.Run,
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
