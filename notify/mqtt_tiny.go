//go:build tiny

package notify

import (
	"context"
	"errors"
)

// MQTT is not in this build.
type MQTT struct{}

// NewMQTT says so.
func NewMQTT(MQTTConfig) (*MQTT, error) {
	return nil, errors.New("this build has no MQTT; take a webhook, or the full build")
}

// Send implements Sender. There is no MQTT that it could be called on.
func (*MQTT) Send(context.Context, Message) error {
	return &RefusedError{"MQTT", "this build has none"}
}
