package remote

import (
	"fmt"

	"golang.org/x/crypto/ssh"
)

// expectHostKey has a connection refuse every server that does not prove to have the key, as version 1.1.0 does.
// The key's own type is the only one asked for: a server that has several would otherwise show another.
func (con *connectionBase) expectHostKey(config *ssh.ClientConfig) error {
	if con.HostKey == nil {
		return nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*con.HostKey))
	if err != nil {
		return fmt.Errorf("the host key of the connection cannot be read: %w", err)
	}
	config.HostKeyCallback = ssh.FixedHostKey(key)
	config.HostKeyAlgorithms = []string{key.Type()}
	return nil
}
