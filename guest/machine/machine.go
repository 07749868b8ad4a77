// Package machine is the node that wiab works on: its files, units, packages, and who may reach its ports.
package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Machine is a node. The zero value of a field is not usable; [Here] gives the one that this program runs on.
type Machine struct {
	// Root is the folder that all paths are below: / but in tests.
	Root string
	// Execute runs a program with a text on its standard input and gives what it prints.
	Execute func(ctx context.Context, input, name string, arguments ...string) (string, error)
	// Out is where it says what it does.
	Out io.Writer
	// Pause is how long [Machine.Wait] waits between two looks.
	Pause time.Duration
}

// Here is the machine that this program runs on.
func Here(out io.Writer) *Machine {
	return &Machine{Root: "/", Execute: execute, Out: out, Pause: time.Second}
}

// execute fails with the last lines of what the program says is wrong; its input is not among them.
func execute(ctx context.Context, input, name string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, name, arguments...)
	if input != "" {
		command.Stdin = strings.NewReader(input)
	}
	var complaint strings.Builder
	command.Stderr = &complaint
	// What it has started may go on, with the same output.
	command.WaitDelay = 10 * time.Second
	output, err := command.Output()
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		called := strings.Join(append([]string{name}, arguments...), " ")
		return string(output), fmt.Errorf("%s: %w: %s", called, err, lastLines(complaint.String()+string(output), 20))
	}
	return string(output), nil
}

func lastLines(text string, most int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// Do runs a program for what it does.
func (m *Machine) Do(ctx context.Context, name string, arguments ...string) error {
	_, err := m.Execute(ctx, "", name, arguments...)
	return err
}

// Asks is whether a program that answers by its exit code says yes.
func (m *Machine) Asks(ctx context.Context, name string, arguments ...string) bool {
	return m.Do(ctx, name, arguments...) == nil
}

// Say tells what has been done, in a line.
func (m *Machine) Say(format string, values ...any) {
	fmt.Fprintf(m.Out, format+"\n", values...)
}

// Path of a file on the machine.
func (m *Machine) Path(path string) string { return filepath.Join(m.Root, path) }

// Final is an error that no waiting changes.
type Final struct{ Err error }

func (f Final) Error() string { return f.Err.Error() }

// Unwrap gives what it is about.
func (f Final) Unwrap() error { return f.Err }

// Wait looks every now and then whether something holds. After the patience it gives up with the last reason why not; at
// once if that is [Final].
func (m *Machine) Wait(ctx context.Context, what string, patience time.Duration, holds func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := holds()
		var final Final
		switch {
		case err == nil:
			return nil
		case errors.As(err, &final):
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("gave up after %.0f s waiting for %s: %w", patience.Seconds(), what, err)
		}
		select {
		case <-time.After(m.Pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
