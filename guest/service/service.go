// Package service has the contract of all services that a node carries: the words for what is done with them, the order in
// which it is done, and the exit codes that say how it ended.
package service

import (
	"context"
	"errors"
	"io"
)

// Service is a service on this node, with what is specified for it.
type Service interface {
	// Plan is what differs from what is specified, an entry each. It changes nothing.
	Plan(ctx context.Context) ([]string, error)
	// Check refuses what cannot be done, before anything changes.
	Check(ctx context.Context) error
	// Configure puts files, units and rules in place. It restarts nothing.
	Configure(ctx context.Context) error
	// Retires is whether this node is to give what it has to the others and leave.
	Retires() bool
	// IsMember is whether this node has a share in the cluster: data, or a vote.
	IsMember() bool
	// Hold waits until the others can do without this node, if it has to be restarted.
	Hold(ctx context.Context) error
	// Serve has the service of a member run, in the version and with the files that are specified, and waits for it.
	Serve(ctx context.Context) error
	// Join makes a node without data a member: of the cluster that is there, or of a new one if there is none.
	Join(ctx context.Context) error
	// Drain gives what the node has to the others and leaves the cluster.
	Drain(ctx context.Context) error
	// Settle gives the cluster as a whole what is specified for it, in JSON, and waits until it is healthy.
	Settle(ctx context.Context, specification []byte) error
	// Health is what was measured, or why the cluster as a whole is not healthy.
	Health(ctx context.Context) (string, error)
	// Backup writes a backup; [ErrElsewhere] if another node is the one to do it.
	Backup(ctx context.Context, to io.Writer) error
	// Restore gives the cluster what Backup has written.
	Restore(ctx context.Context, from io.Reader) error
}

// Apply makes of a node what is specified, in its turn: the next node's comes once this one serves again.
func Apply(ctx context.Context, service Service) error {
	if err := service.Check(ctx); err != nil {
		return err
	}
	if service.Retires() {
		return service.Drain(ctx)
	}
	if err := service.Configure(ctx); err != nil {
		return err
	}
	if !service.IsMember() {
		return service.Join(ctx)
	}
	if err := service.Hold(ctx); err != nil {
		return err
	}
	return service.Serve(ctx)
}

// Exit codes of `wiab`.
const (
	// Done, or healthy, or nothing differs.
	Done = 0
	// Failed: the reason is on standard error.
	Failed = 1
	// Misused: an unknown word, or a specification that cannot be read.
	Misused = 2
	// Elsewhere: another node is the one to do it.
	Elsewhere = 3
	// Differs: what differs is on standard output.
	Differs = 4
)

// ErrElsewhere is that another node is the one to do it.
var ErrElsewhere = errors.New("it is another node's turn")

// ErrDiffers is that something is not as it is specified.
var ErrDiffers = errors.New("something differs")

// Code is the exit code for what a verb has ended with.
func Code(err error) int {
	switch {
	case err == nil:
		return Done
	case errors.Is(err, ErrElsewhere):
		return Elsewhere
	case errors.Is(err, ErrDiffers):
		return Differs
	default:
		return Failed
	}
}
