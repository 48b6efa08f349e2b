//go:build !tiny

package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/idna"

	"github.com/treehouse-dns/treehouse/notify"
	"github.com/treehouse-dns/treehouse/web"
)

// This is what a build has that the tiny one leaves out; extent_tiny.go says so
// to whoever asks for it. What only a false constant leads to, it has too.
const tiny = false

// leftOut is for what tiny leads to.
func leftOut(string) *cobra.Command { return nil }

// checkExtent has nothing to refuse.
func (*configReader) checkExtent(*Config) {}

// pagesCommands are those about signing in to the pages.
func (a *app) pagesCommands() []*cobra.Command { return []*cobra.Command{a.passphraseCommand()} }

func (a *app) passphraseCommand() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: "passphrase", Short: "Set a parent's passphrase for the pages; it is read from standard input", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.config()
			if err != nil {
				return err
			}
			_, file, err := a.openFamily(c, nil)
			if err != nil {
				return err
			}
			line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
			if err != nil && err != io.EOF {
				return err
			}
			if err := web.Claim(vault{file}, name, strings.TrimRight(line, "\r\n")); err != nil {
				return err
			}
			return a.done("The passphrase is set. Whoever was signed in has to sign in again.")
		},
	}
	c.Flags().StringVar(&name, "name", "", "whose, where several parents sign in")
	return c
}

// moreSenders carry notices by other ways than a request over HTTPS.
func moreSenders(c *Config, now func() time.Time) (all []notify.Sender, err error) {
	if server := c.Notify.MailServer; server != "" {
		s, err := notify.NewMail(notify.MailConfig{
			Server: server, User: c.Notify.MailUser, Password: c.Notify.MailPassword,
			From: c.Notify.MailFrom, To: c.Notify.MailTo, Now: now,
		})
		if err != nil {
			return nil, &ConfigError{"notify.mail_server", err.Error()}
		}
		all = append(all, s)
	}
	if broker := c.Notify.MQTT; broker != "" {
		s, err := notify.NewMQTT(notify.MQTTConfig{
			Broker: broker, User: c.Notify.MQTTUser, Password: c.Notify.MQTTPassword,
			Topic: c.Notify.MQTTTopic, Discovery: c.Notify.MQTTDiscovery, AllowPlain: c.Notify.AllowHTTP, TLS: &tls.Config{Time: now},
		})
		if err != nil {
			return nil, &ConfigError{"notify.mqtt", err.Error()}
		}
		all = append(all, s)
	}
	return all, nil
}

// toASCII is the form of an international name that resolvers know.
func toASCII(site string) (string, error) { return idna.Lookup.ToASCII(site) }
