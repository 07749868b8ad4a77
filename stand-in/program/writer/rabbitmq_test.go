package writer

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// window is how far a quorum queue goes ahead of a consumer's acknowledgements.
const window = 2000

// queue delivers like a quorum queue: it waits for acknowledgements once its window is full.
type queue struct{ room chan struct{} }

func (q queue) Ack(uint64, bool) error        { <-q.room; return nil }
func (q queue) Nack(uint64, bool, bool) error { return errors.New("not expected") }
func (q queue) Reject(uint64, bool) error     { return errors.New("not expected") }

func (q queue) deliver(ctx context.Context, bodies []string) <-chan amqp.Delivery {
	deliveries := make(chan amqp.Delivery)
	go func() {
		for tag, body := range bodies {
			select {
			case q.room <- struct{}{}:
			case <-ctx.Done():
				return
			}
			deliveries <- amqp.Delivery{Acknowledger: q, DeliveryTag: uint64(tag + 1), Body: []byte(body)}
		}
	}()
	return deliveries
}

func TestMoreMessagesAreReadThanAQueueSendsAhead(t *testing.T) {
	const last = window + 500
	bodies := []string{}
	for number := 1; number <= last; number++ {
		bodies = append(bodies, strconv.Itoa(number))
	}
	bodies = append(bodies, "end of a former attempt", "end")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	there := map[int64]bool{}
	deliveries := queue{make(chan struct{}, window)}.deliver(ctx, bodies)
	if err := takeUntil(ctx, "end", deliveries, func(number int64) { there[number] = true }); err != nil {
		t.Fatalf("%v after %d of %d messages", err, len(there), last)
	}
	if len(there) != last {
		t.Errorf("%d of %d messages were read", len(there), last)
	}
}
