package writer

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"wiab-staging/stand-in/program/stores"
)

type rabbitmqStore struct {
	connection *amqp.Connection
	channel    *amqp.Channel
	queue      string
}

func openRabbitmq(_ context.Context, access stores.Access, _ target, run string) (store, error) {
	connection, channel, err := stores.RabbitMQ(access)
	if err != nil {
		return nil, err
	}
	// A quorum queue, as Wire's services declare theirs.
	queue := "conformance-" + run
	_, err = channel.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	if err != nil {
		connection.Close()
		return nil, err
	}
	return &rabbitmqStore{connection, channel, queue}, nil
}

func (s *rabbitmqStore) put(ctx context.Context, number int64) error {
	return stores.Publish(ctx, s.channel, s.queue, strconv.FormatInt(number, 10))
}

// read empties the queue. What it has found the writer remembers, if this has to be done again.
func (s *rabbitmqStore) read(ctx context.Context, _ int64, found func(int64)) error {
	// Queues keep the order, so that this comes after everything that is there.
	end := "end " + rand.Text()
	if err := stores.Publish(ctx, s.channel, s.queue, end); err != nil {
		return err
	}
	deliveries, err := s.channel.ConsumeWithContext(ctx, s.queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	return takeUntil(ctx, end, deliveries, found)
}

// takeUntil takes messages up to the one that is the end and calls found with the number in each. Each is acknowledged:
// a quorum queue is at most 2,000 messages ahead of that, even of a consumer without a limit of its own.
func takeUntil(ctx context.Context, end string, deliveries <-chan amqp.Delivery, found func(int64)) error {
	for {
		select {
		case message, open := <-deliveries:
			if !open {
				return errors.New("the broker has closed the channel")
			}
			body := string(message.Body)
			if body == end {
				return nil
			}
			// The ends of former attempts are passed over.
			if !strings.HasPrefix(body, "end ") {
				number, err := strconv.ParseInt(body, 10, 64)
				if err != nil {
					return err
				}
				found(number)
			}
			if err := message.Ack(false); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *rabbitmqStore) clean(context.Context) error {
	_, err := s.channel.QueueDelete(s.queue, false, false, false)
	return err
}

func (s *rabbitmqStore) close() { s.connection.Close() }
