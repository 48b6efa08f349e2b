package main

import (
	"time"

	"github.com/treehouse-dns/treehouse/notify"
)

// senders are who carries notices of requests, as the configuration says; none
// by default.
func senders(c *Config, now func() time.Time) ([]notify.Sender, error) {
	var all []notify.Sender
	if url := c.Notify.Webhook; url != "" {
		s, err := notify.NewWebhook(url, c.Notify.AllowHTTP, now)
		if err != nil {
			return nil, &ConfigError{"notify.webhook", err.Error()}
		}
		all = append(all, s)
	}
	if topic := c.Notify.Ntfy; topic != "" {
		s, err := notify.NewNtfy(topic, c.Notify.NtfyToken, c.Notify.AllowHTTP, now)
		if err != nil {
			return nil, &ConfigError{"notify.ntfy", err.Error()}
		}
		all = append(all, s)
	}
	more, err := moreSenders(c, now)
	return append(all, more...), err
}
