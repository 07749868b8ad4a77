package rabbitmq

import (
	"errors"
	"strings"
	"testing"

	"wiab-staging/guest/service"
)

const whole = `{"settings": {"version": "3.10.8-1", "members": ["one", "two"]}, "secrets": {"definitions": "{\"users\": [{\"name\": \"wire\", \"tags\": \"monitoring\"}]}"}}`

func TestSettles(t *testing.T) {
	s := on(t, "one").isMember()
	s.exported = strings.ReplaceAll(complete, `"users": [`, `"users": [{"name": "guest"}, `)
	expect(t, s.broker.Settle(ctx, []byte(whole)), "")
	s.same(s.did("rabbitmqctl"), "rabbitmqctl import_definitions", "rabbitmqctl delete_user guest", "rabbitmqctl enable_feature_flag all")
	s.says("put in order: users wire\nremoved the user guest\nRabbitMQ 3.10.8-1 on one two: all is well\n")
	s.calls, s.exported = nil, `{"users": [{"name": "wire", "tags": ["monitoring"]}]}`
	expect(t, s.broker.Settle(ctx, []byte(whole)), "")
	s.same(s.did("rabbitmqctl"), "rabbitmqctl enable_feature_flag all")
	s.fails = "health"
	expect(t, s.broker.Settle(ctx, []byte(whole)), "waiting for a healthy cluster: no health")
	expect(t, s.broker.Settle(ctx, []byte(`{}`)), "this does not say what the cluster shall be")
	s.active[server] = false
	expect(t, s.broker.Settle(ctx, []byte(whole)), "waiting for the broker on one")
}

func TestBacksUpAndRestores(t *testing.T) {
	s := on(t, "one").isMember()
	var backup strings.Builder
	expect(t, s.broker.Backup(ctx, &backup), "")
	if backup.String() != complete+"\n" {
		t.Error(backup.String())
	}
	expect(t, s.broker.Restore(ctx, strings.NewReader(backup.String())), "")
	s.same(s.inputs, complete+"\n", ours)
	s.says("replacing in the running cluster, where they exist, and adding: 1 vhosts, 1 users, 0 permissions, 0 policies, 1 queues")
	s.says("all is well")
	expect(t, s.broker.Restore(ctx, strings.NewReader("{}")), "this is no backup of RabbitMQ")
	expect(t, s.broker.Restore(ctx, strings.NewReader("no")), "these are no definitions")
	s.exported = "{}"
	expect(t, s.broker.Backup(ctx, &backup), "this is no backup of RabbitMQ")
	s.fails = "health"
	expect(t, s.broker.Restore(ctx, strings.NewReader(complete)), "no health")
	second := on(t, "two")
	second.members["one"] = all
	if err := second.broker.Backup(ctx, &backup); !errors.Is(err, service.ErrElsewhere) {
		t.Error(err)
	}
}
