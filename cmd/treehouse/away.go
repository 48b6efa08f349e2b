package main

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/web"
)

// awayCommand lets a device be known wherever it is.
func (a *app) awayCommand() *cobra.Command {
	if tiny {
		return leftOut("away")
	}
	var off bool
	c := &cobra.Command{
		Use: "away DEVICE", Short: "Let a device have its rules away from home too; --off ends it", Args: exactly("DEVICE"),
		RunE: func(_ *cobra.Command, args []string) error {
			config, err := a.config()
			if err != nil {
				return err
			}
			if off {
				return a.change(func(h *household.Household) (string, error) {
					d, err := device(h, args[0])
					if err != nil {
						return "", err
					}
					return d.Name + " gets no answer away from home any more.", h.EndAway(d.ID)
				})
			}
			var token, name string
			err = a.alter(func(h *household.Household) error {
				d, err := device(h, args[0])
				if err != nil {
					return err
				}
				name = d.Name
				token, err = h.LetAway(d.ID)
				return err
			})
			if err != nil {
				return err
			}
			way := awayOf(config, publicName(config), token)
			return a.print(struct {
				Device string `json:"device"`
				Token  string `json:"token"`
				TLS    string `json:"tls,omitempty"`
				HTTPS  string `json:"https,omitempty"`
			}{name, token, way.TLS, way.HTTPS}, func(w io.Writer) { printAway(w, name, token, way) })
		},
	}
	c.Flags().BoolVar(&off, "off", false, "take the device's token back")
	return c
}

// awayOf is where a device with a token reaches us from outside under a name, as
// far as that is configured.
func awayOf(c *Config, name, token string) (way web.Way) {
	if name == "" {
		return way
	}
	if len(c.DNS.ListenTLS) > 0 {
		way.TLS = token + "." + name
	}
	if len(c.DNS.ListenHTTPS) > 0 {
		way.HTTPS = "https://" + name + portOf(c.DNS.ListenHTTPS[0]) + "/dns-query/" + token
	}
	return way
}

// portOf is the port as it stands in an address, nothing for that of HTTPS.
func portOf(addr netip.AddrPort) string {
	if addr.Port() == 443 {
		return ""
	}
	return ":" + strconv.Itoa(int(addr.Port()))
}

// away is awayOf with the certificate in force, for the pages.
func (d *daemon) away(token string) web.Way {
	return awayOf(d.config, cmp.Or(d.config.TLS.Name, d.certificate.name()), token)
}

func printAway(w io.Writer, name, token string, way web.Way) {
	fmt.Fprintf(w, "%s is known by a token now, wherever it is. Whoever has the token is taken for it.\n", name)
	if way.TLS != "" {
		fmt.Fprintf(w, "Android, Settings, Private DNS:  %s\n", way.TLS)
	}
	if way.HTTPS != "" {
		fmt.Fprintf(w, "DNS over HTTPS:                  %s\n", way.HTTPS)
	}
	if way == (web.Way{}) {
		fmt.Fprintf(w, "Its token: %s\nNothing is answered from outside yet: set dns.listen_tls, tls.certificate and tls.key.\n", token)
	}
}
