"""One Lambda function each: parse the event, make one call, map the result."""
