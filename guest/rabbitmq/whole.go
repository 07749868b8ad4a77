package rabbitmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Whole is what the cluster shall be as a whole.
type Whole struct {
	Settings struct {
		Version string   `json:"version"`
		Members []string `json:"members"`
	} `json:"settings"`
	Secrets struct {
		Definitions string `json:"definitions"`
	} `json:"secrets"`
}

// Settle implements service.Service: the cluster gets what it shall have, and whatever has been changed by hand back.
func (b *Broker) Settle(ctx context.Context, specification []byte) error {
	var whole Whole
	if err := json.Unmarshal(specification, &whole); err != nil || whole.Secrets.Definitions == "" {
		return errors.New("this does not say what the cluster shall be")
	}
	if err := b.wait(ctx, "the broker on "+b.Self, b.servesAnybody); err != nil {
		return err
	}
	lost, guest, err := b.lost(ctx, whole.Secrets.Definitions)
	if err != nil {
		return err
	}
	if len(lost) > 0 {
		if err := b.importDefinitions(ctx, whole.Secrets.Definitions); err != nil {
			return err
		}
		b.Say("put in order: %s", strings.Join(lost, ", "))
	}
	if guest {
		if err := b.Do(ctx, "rabbitmqctl", "--quiet", "delete_user", "guest"); err != nil {
			return err
		}
		b.Say("removed the user guest")
	}
	var health string
	if err := b.wait(ctx, "a healthy cluster", func() (err error) {
		health, err = b.Look(ctx)
		return err
	}); err != nil {
		return err
	}
	// An upgrade to the next series asks for all of this one's.
	if err := b.Do(ctx, "rabbitmqctl", "--quiet", "enable_feature_flag", "all"); err != nil {
		return err
	}
	b.Say("RabbitMQ %s on %s: %s", whole.Settings.Version, strings.Join(whole.Settings.Members, " "), health)
	return nil
}

// servesAnybody: one that refuses the user serves as well, for the user may be what is to be put in order.
func (b *Broker) servesAnybody() error {
	if err := b.Serves(); !errors.Is(err, ErrRefused) {
		return err
	}
	return nil
}

// lost names what the cluster lacks of what it shall have, and says whether there is a user guest.
func (b *Broker) lost(ctx context.Context, wanted string) (names []string, guest bool, err error) {
	ours, err := ReadDefinitions([]byte(wanted))
	if err != nil {
		return nil, false, err
	}
	text, err := b.export(ctx)
	if err != nil {
		return nil, false, err
	}
	there, err := ReadDefinitions([]byte(text))
	if err != nil {
		return nil, false, err
	}
	return Changed(there, ours), HasGuest(there), nil
}

func (b *Broker) export(ctx context.Context) (string, error) {
	return b.Execute(ctx, "", "rabbitmqctl", "--quiet", "export_definitions", "-")
}

func (b *Broker) importDefinitions(ctx context.Context, definitions string) error {
	_, err := b.Execute(ctx, definitions, "rabbitmqctl", "--quiet", "import_definitions")
	return err
}

// Health implements service.Service.
func (b *Broker) Health(ctx context.Context) (string, error) { return b.Look(ctx) }

// Backup implements service.Service. It has what the cluster is made of: users with the hashes of their passwords, virtual
// hosts, permissions, policies, queues, exchanges and bindings. Messages are not in it: they are on their way, and
// replicated.
func (b *Broker) Backup(ctx context.Context, to io.Writer) error {
	if err := b.Turn(); err != nil {
		return err
	}
	text, err := b.export(ctx)
	if err != nil {
		return err
	}
	definitions, err := ReadDefinitions([]byte(text))
	if err != nil {
		return err
	}
	if _, err := Restorable(definitions); err != nil {
		return err
	}
	_, err = fmt.Fprintln(to, strings.TrimRight(text, "\n"))
	return err
}

// Restore implements service.Service. What is there besides stays.
func (b *Broker) Restore(ctx context.Context, from io.Reader) error {
	text, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	definitions, err := ReadDefinitions(text)
	if err != nil {
		return err
	}
	content, err := Restorable(definitions)
	if err != nil {
		return err
	}
	b.Say("replacing in the running cluster, where they exist, and adding: %s", content)
	if err := b.importDefinitions(ctx, string(text)); err != nil {
		return err
	}
	// The password of Wire's services may be newer than the backup.
	if err := b.importDefinitions(ctx, b.Secrets.Definitions); err != nil {
		return err
	}
	health, err := b.Look(ctx)
	if err != nil {
		return err
	}
	b.Say("%s", health)
	return nil
}

// ReadKept is the specification that the last apply was given.
func ReadKept(path string) (Specification, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Specification{}, err
	}
	return ReadSpecification(text)
}
