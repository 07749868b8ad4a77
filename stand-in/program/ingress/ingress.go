// Package ingress stands in for ingress-nginx: it writes the configuration of an nginx beside it.
package ingress

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"

	"wiab-staging/stand-in/program/kubernetes"
	"wiab-staging/stand-in/program/repeat"
)

//go:embed nginx.conf
var nginxText string
var nginxTemplate = template.Must(template.New("nginx").Parse(nginxText))

// What is read of Kubernetes' objects.
type (
	objectName struct {
		Name, Namespace string
		Labels          map[string]string
		Annotations     map[string]string
	}
	ingress struct {
		Metadata objectName
		Spec     struct {
			IngressClassName string
			TLS              []struct {
				Hosts      []string
				SecretName string
			}
			Rules []struct {
				Host string
				HTTP struct {
					Paths []struct {
						Path, PathType string
						Backend        struct{ Service backend }
					}
				}
			}
		}
	}
	backend struct {
		Name string
		Port struct {
			Name   string
			Number int
		}
	}
	clusterService struct {
		Metadata objectName
		Spec     struct {
			Ports []struct {
				Name string
				Port int
			}
		}
	}
	endpointSlice struct {
		Metadata objectName
		Ports    []struct {
			Name string
			Port int
		}
		Endpoints []struct {
			Addresses  []string
			Conditions struct{ Ready *bool }
		}
	}
	tlsSecret   struct{ Data map[string]string }
	list[T any] struct{ Items []T }
)

// What nginx is told.
type (
	location struct {
		Path  string
		Exact bool
		// Upstream is empty where there is no endpoint.
		Upstream string
	}
	host struct {
		Name, Certificate, Snippet, Origin string
		Locations                          []location
	}
	configuration struct {
		Folder    string
		Upstreams map[string][]string
		Hosts     []*host
	}
)

const (
	// class of the Ingress objects.
	class = "nginx"
	// folder for the configuration, the certificates and nginx' process number.
	folder = "/etc/ingress"
)

// Run is the mode `ingress`: it writes nginx' configuration from the Ingress objects, and has nginx read it again. With
// --once it ends when the configuration is there.
func Run(ctx context.Context, arguments []string) error {
	if slices.Contains(arguments, "--once") {
		return repeat.Until(ctx, "configuration", 2*time.Second, write)
	}
	return repeat.Every(ctx, "configuration", 5*time.Second, 5*time.Second, write)
}

func write(ctx context.Context) error {
	var ingresses list[ingress]
	var services list[clusterService]
	var endpointSlices list[endpointSlice]
	err := errors.Join(
		kubernetes.Ask(ctx, "GET", "/apis/networking.k8s.io/v1/ingresses", nil, &ingresses),
		kubernetes.Ask(ctx, "GET", "/api/v1/services", nil, &services),
		kubernetes.Ask(ctx, "GET", "/apis/discovery.k8s.io/v1/endpointslices", nil, &endpointSlices),
	)
	if err != nil {
		return err
	}
	config := configuration{Folder: folder, Upstreams: map[string][]string{}}
	hosts := map[string]*host{}
	for _, one := range ingresses.Items {
		if one.Spec.IngressClassName != class {
			continue
		}
		certificates := map[string]string{}
		for _, given := range one.Spec.TLS {
			file, err := writeCertificate(ctx, one.Metadata.Namespace, given.SecretName)
			if err != nil {
				// Other hosts do not suffer for it.
				fmt.Printf("ingress %s/%s: %v\n", one.Metadata.Namespace, one.Metadata.Name, err)
				continue
			}
			for _, name := range given.Hosts {
				certificates[name] = file
			}
		}
		for _, rule := range one.Spec.Rules {
			at := hosts[rule.Host]
			if at == nil {
				at = &host{Name: rule.Host}
				hosts[rule.Host] = at
			}
			at.Certificate = cmp.Or(at.Certificate, certificates[rule.Host])
			at.Snippet += one.Metadata.Annotations["nginx.ingress.kubernetes.io/server-snippet"]
			at.Origin = cmp.Or(at.Origin, one.Metadata.Annotations["nginx.ingress.kubernetes.io/cors-allow-origin"])
			for _, path := range rule.HTTP.Paths {
				to := path.Backend.Service
				upstream := fmt.Sprintf("%s-%s-%s%d", one.Metadata.Namespace, to.Name, to.Port.Name, to.Port.Number)
				addresses := endpoints(one.Metadata.Namespace, to, services.Items, endpointSlices.Items)
				if len(addresses) == 0 {
					upstream = ""
				} else {
					config.Upstreams[upstream] = addresses
				}
				at.Locations = append(at.Locations, location{path.Path, path.PathType == "Exact", upstream})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		config.Hosts = append(config.Hosts, hosts[name])
	}
	var text bytes.Buffer
	if err := nginxTemplate.Execute(&text, config); err != nil {
		return err
	}
	changed, err := writeChanged(filepath.Join(folder, "nginx.conf"), text.Bytes())
	if err != nil || !changed {
		return err
	}
	return reload()
}

// endpoints are the ready ones of a service's port, as host:port.
func endpoints(namespace string, to backend, services []clusterService, all []endpointSlice) []string {
	port := to.Port.Name
	for _, one := range services {
		if one.Metadata.Namespace != namespace || one.Metadata.Name != to.Name {
			continue
		}
		for _, given := range one.Spec.Ports {
			if to.Port.Number != 0 && given.Port == to.Port.Number {
				port = given.Name
			}
		}
	}
	var found []string
	for _, slice := range all {
		if slice.Metadata.Namespace != namespace || slice.Metadata.Labels["kubernetes.io/service-name"] != to.Name {
			continue
		}
		for _, given := range slice.Ports {
			if given.Name != port {
				continue
			}
			for _, endpoint := range slice.Endpoints {
				if ready := endpoint.Conditions.Ready; ready != nil && !*ready {
					continue
				}
				for _, address := range endpoint.Addresses {
					found = append(found, address+":"+strconv.Itoa(given.Port))
				}
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// writeCertificate puts key and certificate of a secret into one file. @returns its path.
func writeCertificate(ctx context.Context, namespace, name string) (string, error) {
	var secret tlsSecret
	if err := kubernetes.Ask(ctx, "GET", "/api/v1/namespaces/"+namespace+"/secrets/"+name, nil, &secret); err != nil {
		return "", err
	}
	certificate, err := base64.StdEncoding.DecodeString(secret.Data["tls.crt"])
	if err != nil {
		return "", err
	}
	key, err := base64.StdEncoding.DecodeString(secret.Data["tls.key"])
	if err != nil {
		return "", err
	}
	// nginx would refuse everything for a pair that does not match.
	if _, err := tls.X509KeyPair(certificate, key); err != nil {
		return "", fmt.Errorf("secret %s: %w", name, err)
	}
	path := filepath.Join(folder, namespace+"-"+name+".pem")
	changed, err := writeChanged(path, slices.Concat(certificate, []byte("\n"), key))
	if err == nil && changed {
		err = reload()
	}
	return path, err
}

// writeChanged replaces a file as a whole if its content is another one.
func writeChanged(path string, content []byte) (bool, error) {
	if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, content) {
		return false, nil
	}
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return false, err
	}
	return true, os.Rename(path+".new", path)
}

// reload has nginx read its configuration again; one that has not started yet will read it anyway.
func reload() error {
	text, err := os.ReadFile(filepath.Join(folder, "nginx.pid"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	process, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	fmt.Println("the configuration has changed")
	return syscall.Kill(process, syscall.SIGHUP)
}
