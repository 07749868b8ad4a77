// Command wiab looks after the services of a node, as root and on the node itself.
//
//	wiab apply SERVICE    makes of this node what a specification on standard input says
//	wiab settle SERVICE   gives the cluster as a whole what another one says
//	wiab plan SERVICE     what differs from the specification that was applied last; changes nothing
//	wiab health SERVICE   whether the cluster as a whole is healthy
//	wiab backup SERVICE   writes a backup to standard output
//	wiab restore SERVICE  gives the cluster one from standard input
//
// The answer is on standard output; what is wrong, on standard error. Package service has the exit codes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"wiab-staging/guest/machine"
	"wiab-staging/guest/rabbitmq"
	"wiab-staging/guest/service"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: wiab VERB SERVICE, with VERB apply, settle, plan, health, backup or restore")
		os.Exit(service.Misused)
	}
	for name, value := range map[string]string{
		"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
		// Ubuntu's needrestart restarts whatever uses a library that an installation has renewed, all nodes' services at once.
		"NEEDRESTART_SUSPEND": "yes", "NEEDRESTART_MODE": "l",
	} {
		os.Setenv(name, value)
	}
	// Some machines close what is made to others; what is secret gets its mode by name.
	syscall.Umask(0o022)
	os.Exit(run(context.Background(), os.Args[1], os.Args[2], machine.Here(os.Stdout), os.Stdin, os.Stderr))
}

// errMisused is an unknown word, or a specification that cannot be read.
var errMisused = errors.New("misused")

// run does what a verb says and gives the exit code.
func run(ctx context.Context, verb, name string, here *machine.Machine, in io.Reader, complaints io.Writer) int {
	err := do(ctx, verb, name, here, in, complaints)
	switch {
	case err == nil:
		return service.Done
	case errors.Is(err, service.ErrDiffers), errors.Is(err, service.ErrElsewhere):
		return service.Code(err)
	case errors.Is(err, errMisused):
		fmt.Fprintln(complaints, err)
		return service.Misused
	}
	fmt.Fprintf(complaints, "error: %v\n", err)
	return service.Code(err)
}

func do(ctx context.Context, verb, name string, here *machine.Machine, in io.Reader, complaints io.Writer) error {
	if name != "rabbitmq" {
		return fmt.Errorf("%w: there is no service %s", errMisused, name)
	}
	out := here.Out
	switch verb {
	case "apply":
		return apply(ctx, here, in)
	case "settle":
		text, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		return with(here, func(broker service.Service) error { return broker.Settle(ctx, text) })
	case "plan":
		return with(here, func(broker service.Service) error { return plan(ctx, broker, out) })
	case "health":
		return with(here, func(broker service.Service) error {
			said, err := broker.Health(ctx)
			if err == nil {
				fmt.Fprintln(out, said)
			}
			return err
		})
	case "backup":
		return with(here, func(broker service.Service) error { return broker.Backup(ctx, out) })
	case "restore":
		// Nothing but an answer goes to standard output.
		here.Out = complaints
		return with(here, func(broker service.Service) error { return broker.Restore(ctx, in) })
	}
	return fmt.Errorf("%w: there is no verb %s", errMisused, verb)
}

func apply(ctx context.Context, here *machine.Machine, in io.Reader) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	specification, err := rabbitmq.ReadSpecification(text)
	if err != nil {
		return fmt.Errorf("%w: %w", errMisused, err)
	}
	// Scripts of earlier versions hold the same file.
	release, err := here.Lock("/run/wiab/rabbitmq.lock", 30*time.Minute)
	if err != nil {
		return err
	}
	defer release()
	broker, err := rabbitmq.NewBroker(specification, here)
	if err != nil {
		return err
	}
	return service.Apply(ctx, broker)
}

// with does something with the service as it was applied last.
func with(here *machine.Machine, do func(service.Service) error) error {
	specification, err := rabbitmq.ReadKept(here.Path(rabbitmq.Kept))
	if err != nil {
		return fmt.Errorf("%w: %w", errMisused, err)
	}
	broker, err := rabbitmq.NewBroker(specification, here)
	if err != nil {
		return err
	}
	return do(broker)
}

func plan(ctx context.Context, broker service.Service, out io.Writer) error {
	differs, err := broker.Plan(ctx)
	if err != nil {
		return err
	}
	for _, each := range differs {
		fmt.Fprintln(out, each)
	}
	if len(differs) > 0 {
		return service.ErrDiffers
	}
	return nil
}
