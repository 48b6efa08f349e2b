//go:build tiny

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/treehouse-dns/treehouse/notify"
)

// The tag tiny makes a build for routers whose flash holds no more. This is all
// that it leaves out:
//
//	web/extent_tiny.go         pages for parents, signing in, the API, Learn
//	resolver/extent_tiny.go    DNS over TLS and over HTTPS
//	blocklists/extent_tiny.go  another catalogue than the built-in one
//	blocklists/idna_tiny.go    names in other scripts, but as A-labels (xn--)
//	here, and by this constant what belongs to those; besides, the pages over TLS, the
//	                           doctor, /metrics, notices by mail and MQTT, and what
//	                           takes over from AdGuard Home and Pi-hole
//
// Parents use the command line and the router's own pages. What protects is all
// there: the lists and their updates, the family's rules, and the firewall.
const tiny = true

// leftOut is a command that only says what it would be.
func leftOut(name string) *cobra.Command {
	return &cobra.Command{
		Use: name, Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return &usageError{fmt.Errorf("this tiny build leaves out `%s`", cmd.CommandPath())}
		},
	}
}

// checkExtent refuses options of what is left out.
func (r *configReader) checkExtent(c *Config) {
	for _, option := range []struct {
		key   string
		isSet bool
	}{
		{"dns.listen_tls", len(c.DNS.ListenTLS) > 0},
		{"dns.listen_https", len(c.DNS.ListenHTTPS) > 0},
		{"pages.listen_tls", len(c.Pages.ListenTLS) > 0},
		{"metrics.listen", len(c.Metrics.Listen) > 0},
		{"lists.catalogue", c.Lists.Catalogue != CatalogueSource{}},
		{"notify.mail_server", c.Notify.MailServer != ""},
		{"notify.mqtt", c.Notify.MQTT != ""},
	} {
		if option.isSet {
			r.bad(option.key, "this tiny build leaves that out; leave it empty")
		}
	}
}

func (a *app) pagesCommands() []*cobra.Command { return []*cobra.Command{leftOut("passphrase")} }

func moreSenders(*Config, func() time.Time) ([]notify.Sender, error) { return nil, nil }

func toASCII(string) (string, error) {
	return "", errors.New("this tiny build knows only A-labels (xn--)")
}
