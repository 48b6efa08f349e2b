package main

import (
	"crypto/tls"
	"time"

	"github.com/treehouse-dns/treehouse/notify"
)

// senders are who carries notices of requests, as the configuration says; none
// by default.
func senders(c *Config, now func() time.Time) ([]notify.Sender, error) {
	var all []notify.Sender
	if url := c.Notify.Webhook; url != "" {
		s, err := notify.NewWebhook(url, c.Notify.AllowHTTP)
		if err != nil {
			return nil, &ConfigError{"notify.webhook", err.Error()}
		}
		all = append(all, s)
	}
	if topic := c.Notify.Ntfy; topic != "" {
		s, err := notify.NewNtfy(topic, c.Notify.NtfyToken, c.Notify.AllowHTTP)
		if err != nil {
			return nil, &ConfigError{"notify.ntfy", err.Error()}
		}
		all = append(all, s)
	}
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
