"""From readings to answers: pages to booklets, measurements to marks, numbers to students. Pure."""
