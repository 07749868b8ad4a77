package machine

import (
	"context"
	"fmt"
)

// Installed is the version of a Debian package.
func (m *Machine) Installed(ctx context.Context, name string) (string, error) {
	return m.Execute(ctx, "", "dpkg-query", "--show", "--showformat=${Version}", name)
}

// Older is whether a version of a Debian package comes before another one.
func (m *Machine) Older(ctx context.Context, version, than string) bool {
	return m.Asks(ctx, "dpkg", "--compare-versions", version, "lt", than)
}

// Install brings a Debian package to a version, and leaves configurations as they are.
func (m *Machine) Install(ctx context.Context, name, version string) error {
	err := m.Do(ctx, "apt-get", "--quiet", "--quiet", "--option", "DPkg::Lock::Timeout=600", "--option", "Dpkg::Options::=--force-confold",
		"install", "--yes", "--no-install-recommends", name+"="+version)
	if err != nil {
		return fmt.Errorf("apt could not install %s %s: %w", name, version, err)
	}
	return nil
}
