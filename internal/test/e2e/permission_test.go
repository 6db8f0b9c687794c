package e2e

import (
	"context"
	"errors"
	"fmt"
)

// permissionCommand:
//
//	can-i USER ACTION RESOURCE
//
// fails unless the user has this permission in the scenario's namespace.
func permissionCommand(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("can-i USER ACTION RESOURCE")
	}
	cluster, err := client()
	if err != nil {
		return err
	}
	allowed, err := cluster.CanI(ctx, args[0], args[1], args[2])
	if err == nil && !allowed {
		err = fmt.Errorf("%s may not %s %s", args[0], args[1], args[2])
	}
	return err
}
