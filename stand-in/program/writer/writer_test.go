package writer

import (
	"context"
	"testing"
	"time"

	"wiab-staging/stand-in/program/stores"
)

// prompt is a store that acknowledges everything unless its time is over.
type prompt struct{ acknowledged int }

func (p *prompt) put(ctx context.Context, _ int64) error         { p.acknowledged++; return ctx.Err() }
func (p *prompt) read(context.Context, int64, func(int64)) error { return nil }
func (p *prompt) clean(context.Context) error                    { return nil }
func (p *prompt) close()                                         {}

func TestAStoreThatTakesLongToOpenIsWrittenTo(t *testing.T) {
	const limit = 50 * time.Millisecond
	slow := &prompt{}
	w := &writer{
		to: target{Addresses: []string{"127.0.0.1"}},
		open: func(context.Context, stores.Access, target, string) (store, error) {
			// As Cassandra's driver does, whose session has no context.
			time.Sleep(2 * limit)
			return slow, nil
		},
	}
	err := w.try(t.Context(), limit, func(ctx context.Context, s store) error { return s.put(ctx, 1) })
	if err != nil || slow.acknowledged != 1 {
		t.Errorf("%d acknowledged: %v", slow.acknowledged, err)
	}
}
