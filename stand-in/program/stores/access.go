// Package stores opens the data services, for whoever uses them in place of Wire's services.
package stores

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// Port is a number that charts give as a number or as a text; empty is the service's usual one.
type Port string

// UnmarshalJSON takes either.
func (p *Port) UnmarshalJSON(data []byte) error {
	*p = Port(strings.Trim(string(data), `"`))
	return nil
}

// Access says where a service is and how to log in to it.
type Access struct {
	// Hosts are tried in this order where the service's driver does so; elsewhere the first one is it.
	Hosts []string
	Port  Port
	// TLS is nil where the service has none.
	TLS *tls.Config
	// User and Password are the access key and the secret key for MinIO.
	User, Password  string
	Database, VHost string
	// ChannelBinding of PostgreSQL, as its own library takes it: `prefer` by default, or `disable`.
	ChannelBinding string
}

// Address of the first host, at the service's usual port if there is no other.
func (a Access) Address(usual Port) string {
	return net.JoinHostPort(a.Hosts[0], string(cmp.Or(a.Port, usual)))
}

// url of the first host.
func (a Access) url(scheme string, usual Port) string {
	if a.TLS != nil {
		scheme += "s"
	}
	return scheme + "://" + a.Address(usual)
}

// Trusting is a TLS configuration that trusts one authority, in PEM, or the system's if there is none.
func Trusting(authority string, insecure bool) (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: insecure}
	if authority != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(authority)) {
			return nil, errors.New("the authority's certificate is not PEM")
		}
	}
	return config, nil
}

// Values are what Wire's charts say about a dependency, under their own keys. Each dependency has some of them.
type Values struct {
	Host string
	Port Port
	// TLSCa is the authority of Cassandra or Elasticsearch, in PEM.
	TLSCa string
	// Scheme and Index of Elasticsearch.
	Scheme, Index string
	// VHost of RabbitMQ.
	VHost                            string
	EnableTLS, InsecureSkipVerifyTLS bool
	// As PostgreSQL's own client takes them.
	User, Dbname, Sslmode, Sslrootcert string
	ChannelBinding                     string `json:"channel_binding"`
	// Username and ConnType (plain, ssl or tls) of SMTP.
	Username, ConnType string
}

// Access to the dependency of that name.
func (v Values) Access(name, user, password string) (Access, error) {
	if v.Host == "" {
		return Access{}, fmt.Errorf("the chart was given no %s.host", name)
	}
	access := Access{
		Hosts: []string{v.Host}, Port: v.Port, User: user, Password: password, Database: v.Dbname, VHost: v.VHost,
		ChannelBinding: v.ChannelBinding,
	}
	verified := v.TLSCa != "" || v.Scheme == "https" || v.EnableTLS
	if !verified && (v.Sslmode == "" || v.Sslmode == "disable") {
		return access, nil
	}
	authority := v.TLSCa
	if v.Sslrootcert != "" {
		content, err := os.ReadFile(v.Sslrootcert)
		if err != nil {
			return access, err
		}
		authority = string(content)
	}
	var err error
	// With `sslmode: require` whoever answers is believed.
	access.TLS, err = Trusting(authority, v.InsecureSkipVerifyTLS || v.Sslmode == "require")
	return access, err
}
