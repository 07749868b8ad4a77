package machine

import (
	"context"
	"fmt"
	"strings"
)

// Scripts of other services note the same in the same files.
func changed(service string) string { return "/run/wiab-" + service + ".changed" }
func unread(service string) string  { return "/run/wiab-" + service + ".unread" }

// NoteRestart has the next [Machine.Run] of a service restart it.
func (m *Machine) NoteRestart(service string) error { return m.touch(changed(service)) }

// NeedsRestart is whether a restart is noted.
func (m *Machine) NeedsRestart(service string) bool { return m.Exists(changed(service)) }

// IsActive is whether a service runs.
func (m *Machine) IsActive(ctx context.Context, service string) bool {
	return m.Asks(ctx, "systemctl", "--quiet", "is-active", service+".service")
}

// IsEnabled is whether a unit is started at boots.
func (m *Machine) IsEnabled(ctx context.Context, unit string) bool {
	return m.Asks(ctx, "systemctl", "--quiet", "is-enabled", unit+".service")
}

// Run has a service run, at every boot too, from the files that it has now.
func (m *Machine) Run(ctx context.Context, service string) error {
	unit := service + ".service"
	// Reading all units anew takes a small machine seconds, and several services may be worked on: only if it has to be.
	// systemd itself does not notice a unit of ours that came to stand over one that it has loaded from elsewhere.
	if err := m.Enable(ctx, service); err != nil {
		return err
	}
	if err := m.reload(ctx, service); err != nil {
		return err
	}
	if !m.NeedsRestart(service) && m.IsActive(ctx, service) {
		return nil
	}
	if err := m.Do(ctx, "systemctl", "restart", unit); err != nil {
		return fmt.Errorf("%s does not start: %w\n%s", service, err, m.Journal(ctx, service))
	}
	return m.Remove(changed(service))
}

// Enable has a service started at boots.
func (m *Machine) Enable(ctx context.Context, service string) error {
	if m.IsEnabled(ctx, service) {
		return nil
	}
	return m.Do(ctx, "systemctl", "--quiet", "--no-reload", "enable", service+".service")
}

func (m *Machine) reload(ctx context.Context, service string) error {
	needed, err := m.Execute(ctx, "", "systemctl", "show", "--property=NeedDaemonReload", "--value", service+".service")
	if err != nil {
		return err
	}
	if !m.Exists(unread(service)) && strings.TrimSpace(needed) != "yes" {
		return nil
	}
	if err := m.Do(ctx, "systemctl", "daemon-reload"); err != nil {
		return err
	}
	return m.Remove(unread(service))
}

// Stop ends a service until its next [Machine.Run].
func (m *Machine) Stop(ctx context.Context, service string) error {
	return m.Do(ctx, "systemctl", "--quiet", "stop", service+".service")
}

// Disable ends a service for good.
func (m *Machine) Disable(ctx context.Context, service string) error {
	return m.Do(ctx, "systemctl", "--quiet", "disable", "--now", service+".service")
}

// Journal is the last that a service has written.
func (m *Machine) Journal(ctx context.Context, service string) string {
	text, _ := m.Execute(ctx, "", "journalctl", "--no-pager", "--lines", "20", "--unit", service)
	return text
}
