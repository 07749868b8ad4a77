// Package repeat does things time and again.
package repeat

import (
	"context"
	"fmt"
	"time"
)

// Limit of one attempt. It is generous because emulated machines are slow.
const Limit = 30 * time.Second

// Every does something until a signal comes: again after an interval, or after another one where it has failed. What
// comes of it goes to the log when it changes.
func Every(ctx context.Context, name string, interval, retry time.Duration, action func(context.Context) error) error {
	for before := ""; ctx.Err() == nil; {
		limited, cancel := context.WithTimeout(ctx, Limit)
		err := action(limited)
		cancel()
		now, wait := "ok", interval
		if err != nil {
			now, wait = err.Error(), retry
		}
		if now != before && ctx.Err() == nil {
			fmt.Printf("%s %s: %s\n", time.Now().UTC().Format(time.RFC3339), name, now)
			before = now
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return nil
}

// Until does something until it has succeeded. It fails if a signal comes before that.
func Until(ctx context.Context, name string, retry time.Duration, action func(context.Context) error) error {
	trying, succeeded := context.WithCancel(ctx)
	defer succeeded()
	_ = Every(trying, name, retry, retry, func(ctx context.Context) error {
		err := action(ctx)
		if err == nil {
			succeeded()
		}
		return err
	})
	return ctx.Err()
}
