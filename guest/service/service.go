// Package service has the words that all services of a node share: what can be asked of them, and how they answer.
package service

import "errors"

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
)

// ErrElsewhere is that another node is the one to do it.
var ErrElsewhere = errors.New("it is another node's turn")

// Code is the exit code for what a verb has ended with.
func Code(err error) int {
	switch {
	case err == nil:
		return Done
	case errors.Is(err, ErrElsewhere):
		return Elsewhere
	default:
		return Failed
	}
}
