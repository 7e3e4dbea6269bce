import { Component, type ComponentChildren, type FunctionComponent, h } from "preact";

/** A component that is rendered again only when one of its properties is another one. */
export function memo<Props extends object>(
  render: (props: Props) => ComponentChildren,
): FunctionComponent<Props> {
  class Kept extends Component<Props> {
    override shouldComponentUpdate(next: Props): boolean {
      const [one, other] = [this.props as Record<string, unknown>, next as Record<string, unknown>];
      return Object.keys(other).some((key) => one[key] !== other[key]);
    }

    render(): ComponentChildren {
      return render(this.props);
    }
  }
  return (props: Props) => h(Kept, props);
}
