package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var ctx = context.Background()

// played is a machine whose programs answer with what a test says, yes and nothing otherwise.
func played(t *testing.T, answers map[string]error) (*Machine, *[]string) {
	var calls []string
	m := Here(&strings.Builder{})
	m.Root, m.Pause = t.TempDir(), time.Millisecond
	m.Execute = func(_ context.Context, _, name string, arguments ...string) (string, error) {
		call := strings.ReplaceAll(strings.Join(append([]string{name}, arguments...), " "), "--quiet ", "")
		calls = append(calls, call)
		return "", answers[call]
	}
	return m, &calls
}

func expect(t *testing.T, err error, says string) {
	t.Helper()
	if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
		t.Errorf("%v, not %q", err, says)
	}
}

func TestExecute(t *testing.T) {
	m := Here(os.Stdout)
	said, err := m.Execute(ctx, "secret", "cat")
	if said != "secret" || err != nil {
		t.Error(said, err)
	}
	_, err = m.Execute(ctx, "secret", "sh", "-c", "read -r word; echo what is wrong >&2; exit 3")
	expect(t, err, "exit status 3: what is wrong")
	if strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	if !m.Asks(ctx, "true") || m.Asks(ctx, "false") {
		t.Error("yes and no are told apart by the exit code")
	}
}

func TestWait(t *testing.T) {
	m, _ := played(t, nil)
	left := 3
	expect(t, m.Wait(ctx, "it", time.Minute, func() error {
		if left--; left > 0 {
			return errors.New("not yet")
		}
		return nil
	}), "")
	expect(t, m.Wait(ctx, "it", 0, func() error { return errors.New("not yet") }), "gave up after 0 s waiting for it: not yet")
	expect(t, m.Wait(ctx, "it", time.Hour, func() error { return fmt.Errorf("so: %w", Final{errors.New("never")}) }), "so: never")
	ended, cancel := context.WithCancel(ctx)
	cancel()
	expect(t, m.Wait(ended, "it", time.Hour, func() error { return errors.New("not yet") }), "canceled")
}

func TestKeepNotesARestartOnce(t *testing.T) {
	m, calls := played(t, nil)
	file := File{Path: "/etc/x/y", Text: "text", Mode: 0o640, Owner: "root:x", Restarts: "x"}
	expect(t, m.Keep(ctx, file), "")
	if !m.Has(file) || !m.NeedsRestart("x") || len(*calls) != 1 {
		t.Error("it is not there", *calls)
	}
	expect(t, m.Run(ctx, "x"), "")
	if m.NeedsRestart("x") {
		t.Error("it needs a restart still")
	}
	*calls = nil
	expect(t, m.Keep(ctx, file), "")
	expect(t, m.Run(ctx, "x"), "")
	if slices.ContainsFunc(*calls, func(call string) bool { return strings.Contains(call, "restart") }) {
		t.Error(*calls)
	}
	// What a killed run has left is written over, with the mode that it shall have.
	os.WriteFile(m.Path("/etc/x/y.new"), []byte("half"), 0o666)
	expect(t, m.Put(ctx, file), "")
	if info, err := os.Stat(m.Path("/etc/x/y")); err != nil || info.Mode() != 0o640 {
		t.Error(info, err)
	}
}

func TestRunReadsUnitsAgain(t *testing.T) {
	m, calls := played(t, map[string]error{"systemctl is-active x.service": errors.New("no"), "systemctl is-enabled x.service": errors.New("no")})
	expect(t, m.Keep(ctx, File{Path: "/etc/systemd/system/x.service", Text: "unit", Restarts: "x"}), "")
	expect(t, m.Run(ctx, "x"), "")
	for _, wanted := range []string{"systemctl --no-reload enable x.service", "systemctl daemon-reload", "systemctl restart x.service"} {
		if !slices.Contains(*calls, wanted) {
			t.Errorf("%s is not among %q", wanted, *calls)
		}
	}
	*calls = nil
	expect(t, m.Run(ctx, "x"), "")
	if slices.Contains(*calls, "systemctl daemon-reload") {
		t.Error("it has been read already")
	}
	m, _ = played(t, map[string]error{"systemctl restart x.service": errors.New("why"), "systemctl is-active x.service": errors.New("no")})
	expect(t, m.Run(ctx, "x"), "x does not start: why")
}

func TestAdmit(t *testing.T) {
	m, calls := played(t, nil)
	admission := Admission{Name: "x-cluster", Ports: []string{"1", "2-3"}, Addresses: []string{"192.0.2.1", "192.0.2.2"}}
	expect(t, m.Admit(ctx, admission), "")
	text, _ := os.ReadFile(m.Path("/etc/wiab/x-cluster/admit.nft"))
	if !strings.Contains(string(text), "table inet wiab_x_cluster {") || !strings.Contains(string(text), "tcp dport { 1, 2-3 } ip saddr != { 192.0.2.1, 192.0.2.2 } reject with tcp reset") {
		t.Error(string(text))
	}
	load := "nft --file " + m.Path("/etc/wiab/x-cluster/admit.nft")
	if !slices.Contains(*calls, load) {
		t.Error(*calls)
	}
	*calls = nil
	expect(t, m.Admit(ctx, admission), "")
	if slices.Contains(*calls, load) {
		t.Error("it is there already")
	}
}

func TestLock(t *testing.T) {
	m, _ := played(t, nil)
	release, err := m.Lock("/run/x.lock", 0)
	expect(t, err, "")
	_, err = m.Lock("/run/x.lock", 0)
	expect(t, err, "look what it does, with fuser /run/x.lock")
	if !errors.Is(err, ErrAtWork) {
		t.Error(err)
	}
	freed := make(chan struct{})
	go func() {
		defer close(freed)
		second, err := m.Lock("/run/x.lock", time.Minute)
		if err == nil {
			second()
		}
	}()
	release()
	<-freed
}
