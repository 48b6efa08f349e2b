//go:build tiny

package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/treehouse-dns/treehouse/notify"
)

// The tag tiny makes a build for routers whose flash holds no more. This is all
// that it leaves out:
//
//	web/extent_tiny.go        pages for parents, signing in, the API, Learn
//	blocklists/idna_tiny.go   names in other scripts, but as A-labels (xn--)
//	here                      what belongs to those pages, and notices by mail and MQTT
//
// Parents use the command line and the router's own pages.

func (a *app) pagesCommands() []*cobra.Command { return nil }

func moreSenders(c *Config, _ func() time.Time) ([]notify.Sender, error) {
	if c.Notify.MailServer != "" {
		return nil, &ConfigError{"notify.mail_server", "this tiny build sends no mail; set notify.webhook or notify.ntfy"}
	}
	if c.Notify.MQTT != "" {
		return nil, &ConfigError{"notify.mqtt", "this tiny build has no MQTT; set notify.webhook or notify.ntfy"}
	}
	return nil, nil
}

func toASCII(string) (string, error) {
	return "", errors.New("this tiny build knows only A-labels (xn--)")
}
