// Package notify tells a parent who is elsewhere that a child asks for
// something: by a webhook, by ntfy, by e-mail, by MQTT. It is off until a family gives an
// address and says how much may leave the home (household.SetTell).
//
//	Queue    keeps notices in memory until they are sent: bounded, with retries
//	Webhook  a JSON object, posted
//	Ntfy     a line of text, posted to a topic
//	Mail     a message by SMTP, over TLS
//	MQTT     the webhook's object, to a broker; not in the build with the tag tiny
//
// What leaves the home is a household.Notice and the sentence made of it, and
// nothing else. Nothing is kept on the disk: a notice that cannot be sent within
// the hour is dropped, the request waits on the pages.
package notify
