package rabbitmq

import (
	"context"
	"errors"
	"fmt"

	"wiab-staging/guest/machine"
)

// Hold implements service.Service: a member that runs is stopped only when the others have all that it has.
func (b *Broker) Hold(ctx context.Context) error {
	if err := b.Run(ctx, portMapped); err != nil {
		return err
	}
	if !b.IsActive(ctx, server) {
		return nil
	}
	if err := b.knownUser(ctx); err != nil {
		return err
	}
	installed, err := b.Installed(ctx, server)
	if err != nil || !b.NeedsRestart(server) && installed == b.Version {
		return err
	}
	return b.spared(ctx)
}

func (b *Broker) spared(ctx context.Context) error {
	return b.wait(ctx, "the other brokers to be able to do without "+b.Self, b.Spare)
}

func (b *Broker) wait(ctx context.Context, what string, holds func() error) error {
	return b.Wait(ctx, what, b.patience(), holds)
}

// Serve implements service.Service.
func (b *Broker) Serve(ctx context.Context) error {
	installed, err := b.Installed(ctx, server)
	if err != nil {
		return err
	}
	if installed != b.Version {
		if err := b.upgrade(ctx); err != nil {
			return err
		}
	}
	if err := b.start(ctx, b.servesOrWaits); err != nil {
		return err
	}
	// Until it serves there is nobody to become a member with.
	if b.Serves() == nil {
		if err := b.becomeMember(ctx); err != nil {
			return err
		}
	}
	return b.told()
}

func (b *Broker) upgrade(ctx context.Context) error {
	if err := b.Stop(ctx, server); err != nil {
		return err
	}
	if err := b.Install(ctx, server, b.Version); err != nil {
		return err
	}
	return b.NoteRestart(server)
}

// told says how the turn has ended.
func (b *Broker) told() error {
	if b.Serves() == nil {
		b.Say("RabbitMQ %s on %s serves", b.Version, b.Self)
		return nil
	}
	if err := b.Waits(); err != nil {
		return err
	}
	b.Say("RabbitMQ %s on %s waits for the others", b.Version, b.Self)
	return nil
}

// servesOrWaits: the whole cluster was down, say, and those whose turn comes later are what this one waits for.
func (b *Broker) servesOrWaits() error {
	err := b.Serves()
	if err == nil || b.Waits() == nil {
		return nil
	}
	return err
}

// knownUser: the password of the programs is new where the cluster has the former one still.
func (b *Broker) knownUser(ctx context.Context) error {
	if !errors.Is(b.Serves(), ErrRefused) {
		return nil
	}
	return b.importDefinitions(ctx, b.Secrets.Definitions)
}

// start has the broker run, and waits for it.
func (b *Broker) start(ctx context.Context, serves func() error) error {
	if err := b.Run(ctx, server); err != nil {
		return err
	}
	if err := b.wait(ctx, "the broker on "+b.Self, serves); err != nil {
		return fmt.Errorf("%w\n%s", err, b.Journal(ctx, server))
	}
	return nil
}

// Join implements service.Service.
func (b *Broker) Join(ctx context.Context) error {
	if err := b.Stop(ctx, server); err != nil {
		return err
	}
	var place Place
	if err := b.wait(ctx, "word of where "+b.Self+" belongs", func() (err error) {
		place, err = b.Place()
		return err
	}); err != nil {
		return err
	}
	if err := b.Remove(b.data() + "*"); err != nil {
		return err
	}
	// Not before: others take it for the sign of a node that may be a member of a cluster.
	if err := b.Run(ctx, portMapped); err != nil {
		return err
	}
	if err := b.take(ctx, place); err != nil {
		return err
	}
	if err := b.start(ctx, b.Serves); err != nil {
		return err
	}
	if place.Peer != "" && !b.IsMember() {
		if err := errors.Join(b.Stop(ctx, server), b.Remove(b.data()+"*")); err != nil {
			return err
		}
		return fmt.Errorf("%s has not become a member of the cluster of %s: look into journalctl --unit %s on both", b.Self, place.Peer, server)
	}
	if err := b.becomeMember(ctx); err != nil {
		return err
	}
	return b.told()
}

// take has the broker begin where it belongs.
func (b *Broker) take(ctx context.Context, place Place) error {
	if place.Peer == "" {
		return b.Remove(joins)
	}
	// Its name stands for data that are gone; as long as it is a member with them, its vote would count.
	if place.Known {
		if err := b.forget(ctx, place.Peer); err != nil {
			return err
		}
	}
	return b.Put(ctx, machine.File{Path: joins, Text: "cluster_formation.peer_discovery_backend = classic_config\n" +
		"cluster_formation.classic_config.nodes.1 = rabbit@" + place.Peer + "\n"})
}

func (b *Broker) forget(ctx context.Context, peer string) error {
	if err := b.Do(ctx, "rabbitmqctl", "--quiet", "--node", "rabbit@"+peer, "forget_cluster_node", "rabbit@"+b.Self); err != nil {
		return fmt.Errorf("%s cannot strike %s from the list of members: %w", peer, b.Self, err)
	}
	return nil
}

// becomeMember gives queues that were there before a replica here as well.
func (b *Broker) becomeMember(ctx context.Context) error {
	if b.Exists(member) {
		return nil
	}
	if err := b.replicate(ctx, b.Self); err != nil {
		return err
	}
	if err := b.Remove(joins); err != nil {
		return err
	}
	return b.Put(ctx, machine.File{Path: member})
}

func (b *Broker) replicate(ctx context.Context, node string) error {
	if b.Replicated(node) == nil {
		return nil
	}
	if err := b.Do(ctx, "rabbitmq-queues", "--quiet", "grow", "rabbit@"+node, "all"); err != nil {
		return err
	}
	return b.wait(ctx, "a replica of every quorum queue on "+node, func() error { return b.Replicated(node) })
}

// Drain implements service.Service.
func (b *Broker) Drain(ctx context.Context) error {
	if err := b.remember(ctx); err != nil {
		return err
	}
	if b.IsMember() {
		peer, err := b.Leave()
		if err != nil {
			return fmt.Errorf("%s cannot leave: %w", b.Self, err)
		}
		if peer != "" {
			if err := b.handOver(ctx, peer); err != nil {
				return err
			}
		}
	}
	if err := b.Disable(ctx, server); err != nil {
		return err
	}
	if b.Exists("/etc/systemd/system/" + portMapped + ".service") {
		if err := b.Disable(ctx, portMapped); err != nil {
			return err
		}
	}
	if err := b.Remove(b.data()+"*", member); err != nil {
		return err
	}
	b.Say("RabbitMQ has left %s", b.Self)
	return nil
}

// handOver has the others hold all that this broker has, and forget it.
func (b *Broker) handOver(ctx context.Context, peer string) error {
	if err := b.Configure(ctx); err != nil {
		return err
	}
	if err := b.Run(ctx, portMapped); err != nil {
		return err
	}
	if b.IsActive(ctx, server) {
		if err := b.knownUser(ctx); err != nil {
			return err
		}
	}
	if err := b.start(ctx, b.Serves); err != nil {
		return err
	}
	for _, node := range b.Staying() {
		if err := b.replicate(ctx, node); err != nil {
			return err
		}
	}
	if err := b.spared(ctx); err != nil {
		return err
	}
	if err := b.Stop(ctx, server); err != nil {
		return err
	}
	if err := b.wait(ctx, peer+" to see that "+b.Self+" is gone", b.Gone); err != nil {
		return err
	}
	return b.forget(ctx, peer)
}
