package rabbitmq

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Trip publishes a message here and consumes it on each other node, through a queue of the kind that Wire's services
// declare, and says how long that took.
func (b *Brokers) Trip(ctx context.Context) (string, error) {
	queue := fmt.Sprintf("wiab-health-%s-%d", b.Self, os.Getpid())
	here, err := b.open(b.Self)
	if err != nil {
		return "", err
	}
	defer here.close()
	if err := here.Confirm(false); err != nil {
		return "", err
	}
	// It goes by itself if this program is killed.
	arguments := amqp.Table{"x-queue-type": "quorum", "x-expires": int32(120_000)}
	if _, err := here.QueueDeclare(queue, true, false, false, false, arguments); err != nil {
		return "", fmt.Errorf("a queue on %s: %w", b.Self, err)
	}
	defer here.QueueDelete(queue, false, false, false)
	var trips []string
	for _, at := range b.stops() {
		begin := time.Now()
		if err := b.pass(ctx, here, queue, at); err != nil {
			return "", fmt.Errorf("a message from %s to %s: %w", b.Self, at, err)
		}
		trips = append(trips, fmt.Sprintf("%s after %d ms", at, time.Since(begin).Milliseconds()))
	}
	return fmt.Sprintf("message published on %s consumed on %s", b.Self, strings.Join(trips, ", on ")), nil
}

// stops are the nodes that a message goes to: the others, or this one where it is alone.
func (b *Brokers) stops() []string {
	var names []string
	for _, name := range b.Staying() {
		if name != b.Self {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return []string{b.Self}
	}
	return names
}

func (b *Brokers) pass(ctx context.Context, here *channel, queue, at string) error {
	there, err := b.open(at)
	if err != nil {
		return err
	}
	defer there.close()
	body := make([]byte, 16)
	if _, err := rand.Read(body); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body}
	confirmation, err := here.PublishWithDeferredConfirmWithContext(ctx, "", queue, false, false, message)
	if err != nil {
		return err
	}
	if acknowledged, err := confirmation.WaitContext(ctx); err != nil || !acknowledged {
		return fmt.Errorf("the broker does not confirm it: %w", err)
	}
	got, found, err := there.Get(queue, false)
	if err != nil {
		return err
	}
	if !found || !bytes.Equal(got.Body, body) {
		return fmt.Errorf("it is not what came out there")
	}
	return got.Ack(false)
}

// channel with its connection.
type channel struct {
	*amqp.Channel
	connection *amqp.Connection
}

func (c *channel) close() { c.connection.Close() }

func (b *Brokers) open(node string) (*channel, error) {
	address := b.address(node)
	at := net.JoinHostPort(address, strconv.Itoa(b.AMQP))
	place := url.URL{Scheme: "amqp", Host: at, Path: "/"}
	config := amqp.Config{
		SASL: []amqp.Authentication{&amqp.PlainAuth{Username: b.User, Password: b.Password}},
		Dial: func(network, address string) (net.Conn, error) {
			connection, err := net.DialTimeout(network, address, time.Minute)
			if err != nil {
				return nil, err
			}
			// Until it is open; from then on both sides send heartbeats.
			if err := connection.SetDeadline(time.Now().Add(time.Minute)); err != nil || !b.TLS {
				return connection, err
			}
			secured := b.encryption()
			secured.ServerName, _, _ = net.SplitHostPort(address)
			return tls.Client(connection, secured), nil
		},
	}
	connection, err := amqp.DialConfig(place.String(), config)
	if err != nil {
		return nil, fmt.Errorf("the broker on %s does not let in %s at %s: %w", node, b.User, at, err)
	}
	opened, err := connection.Channel()
	if err != nil {
		connection.Close()
		return nil, err
	}
	return &channel{opened, connection}, nil
}

// Health of the whole cluster, in a line.
func (b *Brokers) Health(ctx context.Context) (string, error) {
	seen, err := Decider{b.Settings, b}.Healthy()
	if err != nil {
		return "", err
	}
	passed, err := b.Trip(ctx)
	if err != nil {
		return "", err
	}
	return seen + "; " + passed, nil
}
